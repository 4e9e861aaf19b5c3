"""Measured latencies: what is timed, in which order, and what is reported."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import torch

from atrous.core.errors import AtrousError
from atrous.core.records import from_json, to_json
from atrous.model.facts import Latency
from atrous.model.latency import measure
from atrous.model.latency.conditions import make_conditions
from atrous.model.latency.measure import (
    MOST,
    PREPARE,
    WINDOW,
    compare_latency,
    in_turns,
    is_steady,
    summarised,
    warm_up,
)
from atrous.networks.compute import LatencyConditions
from atrous.networks.network import Network
from atrous.spaces.blueprint import build_network
from tests.model.export.material import blueprint

CONDITIONS = make_conditions((33, 65), 2, "cpu", 1)
MADE_UP = summarised("pytorch", CONDITIONS, 10, (4.0, 1.0, 2.0, 3.0, 10.0))


@pytest.fixture(scope="module")
def network() -> Network:
    return build_network(blueprint())


@pytest.fixture(scope="module")
def both(network: Network) -> tuple[Latency, ...]:
    """Every runtime on one small image."""
    conditions = make_conditions((33, 65), device="cpu", threads=1)
    return compare_latency(network, conditions, tuple(PREPARE), repeats=3)


def test_each_runtime_is_timed_as_often_as_asked(both: tuple[Latency, ...]) -> None:
    assert [each.runtime for each in both] == [*PREPARE] == ["pytorch", "onnxruntime"]
    for each in both:
        assert len(each.milliseconds) == 3
        assert min(each.milliseconds) > 0
        assert 2 * WINDOW <= each.warm_up <= MOST


def test_a_number_comes_with_its_conditions(both: tuple[Latency, ...]) -> None:
    record = json.loads(json.dumps(to_json(both[1])))
    conditions = {"runtime", "version", "precision", "batch", "size", "threads", "device_name"}
    assert conditions <= record.keys()
    assert record["size"] == [33, 65]
    assert from_json(Latency, record) == both[1]


def test_median_and_spread_are_those_of_the_passes() -> None:
    assert MADE_UP.median_ms == 3
    assert MADE_UP.quartiles_ms == (2, 4)
    assert MADE_UP.range_ms == (1, 10)


def test_one_pass_has_no_spread() -> None:
    once = summarised("pytorch", CONDITIONS, 10, (7.0,))
    assert once.median_ms == 7
    assert once.quartiles_ms == once.range_ms == (7, 7)


def timed_alone(network: Network, conditions: LatencyConditions, repeats: int) -> Latency:
    (found,) = compare_latency(network, conditions, ["pytorch"], repeats)
    return found


def test_many_pixels_take_longer_than_few(network: Network) -> None:
    small, large = (
        timed_alone(network, make_conditions(size, device="cpu", threads=1), repeats=3)
        for size in ((17, 17), (321, 321))
    )
    assert large.range_ms[0] > small.median_ms


def test_a_network_in_training_is_timed_in_evaluation_and_stays_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measure, "MOST", 2)
    network = build_network(blueprint()).train()
    before = copy.deepcopy(network.state_dict())
    threads = torch.get_num_threads()
    conditions = make_conditions((33, 33), device="cpu", threads=threads + 1, precision="bfloat16")
    timed_alone(network, conditions, repeats=1)
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert torch.get_num_threads() == threads


def test_passes_take_turns_and_none_is_always_first() -> None:
    order: list[str] = []
    times = in_turns([lambda: order.append("a"), lambda: order.append("b")], 4)
    assert "".join(order) == "abbaabba"
    assert [len(each) for each in times] == [4, 4]


@pytest.mark.parametrize(
    ("milliseconds", "steady"),
    [
        ([10.0] * (2 * WINDOW - 1), False),
        ([10.0] * 2 * WINDOW, True),
        ([20.0] * WINDOW + [10.0] * WINDOW, False),
        ([10.0] * WINDOW + [20.0] * WINDOW, False),
        ([99.0] * WINDOW + [10.0] * WINDOW + [10.4] * WINDOW, True),
    ],
)
def test_steady_is_when_the_last_passes_took_as_long_as_those_before(
    milliseconds: list[float], steady: bool
) -> None:
    assert is_steady(milliseconds) is steady


def test_warming_up_counts_its_passes() -> None:
    passes: list[None] = []
    assert warm_up(lambda: passes.append(None)) == len(passes) >= 2 * WINDOW


def test_an_unknown_runtime_is_refused_before_any_work(network: Network) -> None:
    with pytest.raises(AtrousError, match="--runtime"):
        compare_latency(network, CONDITIONS, ["jax"])


def test_lacking_memory_of_a_cpu_is_told(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_much(*_: Any, **__: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")

    monkeypatch.setattr(measure, "warm_up", too_much)
    with pytest.raises(AtrousError, match=r"Not enough memory of .* 2 images of 33x65 .*--batch"):
        compare_latency(network, CONDITIONS, ["pytorch"])
