"""What architectures cost is known before they are trained, and known once."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
import torch

from atrous.core.architecture import Architecture
from atrous.core.errors import AtrousError
from atrous.core.records import write
from atrous.core.trial import Measured
from atrous.data.encoding import distinct
from atrous.estimation import prices
from atrous.estimation.estimators import estimator_of
from atrous.estimation.prices import FILE, FORMAT, QUARTILES, Prices
from atrous.model.facts import Latency
from atrous.model.predict import memory
from atrous.networks.compute import LatencyConditions
from atrous.networks.network import Network
from atrous.report.front import front_of
from atrous.report.leaderboard import leaderboard
from atrous.report.page import write_report
from atrous.search.imitation import SIMILARITY
from atrous.search.run import Run, open_run
from atrous.spaces import find_architecture
from atrous.spaces.blueprint import Blueprint, build_network
from atrous.stages.search import proceed
from tests.small_search import begun, ignore, write_data

Timed = Callable[..., tuple[Latency, ...]]


def timed(how: LatencyConditions, low: float, middle: float, high: float) -> Latency:
    """A latency with these quartiles in milliseconds."""
    return Latency(
        "pytorch",
        "1",
        **vars(how),
        warm_up=1,
        median_ms=middle,
        quartiles_ms=(low, high),
        range_ms=(low, high),
        milliseconds=(middle,),
    )


def clock(asked: list[float]) -> Timed:
    """In the place of a measurement: milliseconds that a network's layers tell; `asked` hears of
    them."""

    def compare(network: Network, how: LatencyConditions, *_: object) -> tuple[Latency, ...]:
        found = 1.0 + crc32(str(network).encode()) % 1000
        asked.append(found)
        return (timed(how, 0.96 * found, found, 1.02 * found),)

    return compare


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The latencies of all networks that were timed, by a clock that is always right."""
    told: list[float] = []
    monkeypatch.setattr(prices, "compare_latency", clock(told))
    return told


def ran(tmp_path: Path, name: str, stop: int = 0, **asked: Any) -> Run:
    """A search of cells with one branch, which goes on after it was stopped."""
    data, cache = tmp_path / "data", tmp_path / "cache"
    if not data.exists():
        write_data(data)
    usual = {"space": "dpc-1", "baselines": ("dpc:1x1",), "trials": 4}
    run, estimator = begun(data, tmp_path / name, cache, **{**usual, **asked})
    if stop:
        left = iter(range(stop - 1))

        def watch(_: object) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            proceed(run, estimator, watch)
        run = open_run(run.path)
        estimator = estimator_of(run, cache)
    proceed(run, estimator, ignore)
    return open_run(run.path)


def measured(run: Run) -> list[Measured]:
    """What was measured, without how long it took."""
    outcomes = [entry.outcome for entry in run.ledger().entries()]
    return [replace(each, seconds=0.0) for each in outcomes if isinstance(each, Measured)]


def test_memory_is_that_of_a_network_that_is_computed() -> None:
    """Nearly: atrous convolutions are arranged otherwise on a CPU."""
    where = (find_architecture("dpc:aspp"), "test_efficientnet", 16, 8, False)
    blueprint = Blueprint(*where, ("a", "b", "c"), distinct(3))
    network, image = build_network(blueprint), torch.zeros(1, 3, 129, 65)
    with torch.inference_mode(), memory._Watch() as watch:
        network(image)
    kept = sum(each.nbytes for each in (*network.parameters(), *network.buffers(), image))
    counted = memory.inference_memory(blueprint, (129, 65))
    assert counted == pytest.approx(watch.peak + kept, rel=0.2)
    assert memory.inference_memory(blueprint, (257, 129)) > 3 * watch.peak


def test_all_that_is_wanted_is_kept_of_every_trial(tmp_path: Path, asked: list[float]) -> None:
    wanted: dict[str, Any] = {"strategy": "nsga2", "imitate": "dpc-1:0.5:0.5"}
    run = ran(tmp_path, "run", objective=("latency@33x49", "memory", "parameters"), **wanted)
    found = measured(run)
    assert len(found) == 5
    assert sorted(asked) == sorted(each.values["latency"] for each in found)
    for each in found:
        low, middle, high = each.details[QUARTILES]
        assert (low, high) == (0.96 * each.values["latency"], 1.02 * each.values["latency"])
        assert middle == each.values["latency"]
        assert each.values["memory"] > 4 * each.values["parameters"]
    assert [entry.score for entry in run.ledger().entries()] == [
        pytest.approx(run.goal.objective(each.values)) for each in found
    ]
    rows = leaderboard(run, run.ledger().entries())
    front = front_of(run, rows)
    assert front is not None
    assert 0 < front.volume < 1
    page = write_report(run).read_text()
    assert front.words in page
    assert 'id="front-' in page
    with (run.path / "leaderboard.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert {int(line["trial"]) for line in lines if line["front"] == "1"} == {
        row.number for row in front.rows
    }
    assert [float(line["latency"]) for line in lines] == [
        row.found.values["latency"] for row in rows
    ]
    alike = [each.values.get(SIMILARITY) for each in found]
    assert {float(line["similarity"]) for line in lines} == {*alike}


def test_what_is_too_slow_is_not_trained_also_after_a_stop(
    tmp_path: Path, asked: list[float]
) -> None:
    free = measured(ran(tmp_path, "free", target=("12ms",), reward="mnasnet"))
    limit = sorted(each.values["latency"] for each in free[1:])[1]
    wanted: dict[str, Any] = {"limit": (f"latency<={limit}ms",), "strategy": "surrogate"}
    asked.clear()
    whole = ran(tmp_path, "whole", **wanted)
    known, tried = measured(whole), len(asked)
    assert all(each.values["latency"] <= limit for each in known[1:])
    assert tried > len(known)
    stopped = ran(tmp_path, "stopped", stop=2, **wanted)
    assert measured(stopped) == known
    assert len(asked) == 2 * tried


def test_latencies_of_other_conditions_do_not_compare(tmp_path: Path, asked: list[float]) -> None:
    run = ran(tmp_path, "run", objective=("latency@33x49",))
    taken = Prices(run, run.goal)._timings
    elsewhere = replace(taken, conditions=replace(taken.conditions, threads=7))
    write(run.path / FILE, elsewhere, FORMAT, "the latencies of a run")
    with pytest.raises(AtrousError, match=r"under other conditions .* with 7 threads"):
        Prices(run, run.goal).latency(Architecture("dpc-1", (0, 3)))
    assert asked


def test_a_network_is_timed_again_where_others_computed_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[float]
) -> None:
    run = ran(tmp_path, "run", objective=("latency@33x49",), trials=1)
    quartiles = [(6.0, 9.0, 14.0), (5.0, 5.2, 5.3), (1.0, 1.0, 1.0)]
    rounds = iter(quartiles)

    def compare(_network: Network, how: LatencyConditions, *_: object) -> tuple[Latency, ...]:
        return (timed(how, *next(rounds)),)

    monkeypatch.setattr(prices, "compare_latency", compare)
    fresh = Prices(run, run.goal)
    assert fresh.latency(find_architecture("dpc-1:0.44")) == 5.2
    assert list(rounds) == quartiles[2:]
    assert asked
