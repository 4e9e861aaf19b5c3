"""The choice of how to compute: measured once, remembered, and robust to what fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from atrous.core.errors import AtrousError
from atrous.estimation import tune as tuning
from atrous.estimation.tune import Choice, Workload, choose, measure_all, worker_counts
from atrous.networks.compute import Compute, pick_device
from atrous.spaces import yardstick
from tests.execution.jobs import lack_memory

WORKLOAD = Workload(
    yardstick("dpc"), channels={16: 4}, crop=(33, 49), filters=2, classes=3, batch=2
)
SLOW = Choice(Compute("cpu", "float32", "contiguous", 1), 1)
FAST = Choice(Compute("cpu", "bfloat16", "channels_last", 1), 2)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Workload]:
    """The workloads that were measured, with made-up times."""
    asked: list[Workload] = []

    def measure(workload: Workload, _: int | None) -> Iterator[tuple[Choice, float]]:
        asked.append(workload)
        yield SLOW, 2.0
        yield FAST, 1.0

    monkeypatch.setattr(tuning, "measure_all", measure)
    return asked


def test_the_fastest_is_chosen_and_remembered(measured: list[Workload], tmp_path: Path) -> None:
    assert choose(WORKLOAD, "cpu", None, 9, tmp_path) == FAST
    assert choose(WORKLOAD, "cpu", None, 9, tmp_path) == FAST
    assert len(measured) == 1
    choose(WORKLOAD, "cpu", 1, 9, tmp_path)
    assert len(measured) == 2
    assert len(list((tmp_path / "compute").iterdir())) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"compute": {}, "workers": 1}'])
def test_a_damaged_memory_is_replaced(measured: list[Workload], tmp_path: Path, text: str) -> None:
    choose(WORKLOAD, "cpu", None, 9, tmp_path)
    (remembered,) = (tmp_path / "compute").iterdir()
    remembered.write_text(text)
    assert choose(WORKLOAD, "cpu", None, 9, tmp_path) == FAST
    assert choose(WORKLOAD, "cpu", None, 9, tmp_path) == FAST
    assert len(measured) == 2


def test_a_cache_that_cannot_be_written_is_named(measured: list[Workload], tmp_path: Path) -> None:
    (tmp_path / "compute").write_text("in the way")
    with pytest.raises(AtrousError, match=r"write to .*compute.*--cache"):
        choose(WORKLOAD, "cpu", None, 9, tmp_path)
    assert measured


@pytest.mark.parametrize(
    ("workers", "most", "counts"),
    [
        (None, 1, [1]),
        (None, 7, [1, 2, 4]),
        (None, 99, [1, 2, 4, 8]),
        (3, 1, [3]),
    ],
)
def test_workers_are_powers_of_two_up_to_what_a_search_can_use(
    monkeypatch: pytest.MonkeyPatch, workers: int | None, most: int, counts: list[int]
) -> None:
    monkeypatch.setattr(tuning, "cores", lambda: 12)
    assert worker_counts(workers, most) == counts


def test_an_old_gpu_computes_in_float32(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose(WORKLOAD, "cuda", None, 9, tmp_path).compute.precision == "float32"


def test_a_gpu_is_not_measured(
    measured: list[Workload], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    found = choose(WORKLOAD, "cuda", None, 9, tmp_path)
    assert (found.compute.device, found.compute.precision, found.workers) == ("cuda", "bfloat16", 4)
    assert choose(WORKLOAD, "cuda:1", None, 9, tmp_path).workers == 1
    assert choose(WORKLOAD, "cuda", None, 2, tmp_path).workers == 2
    assert choose(WORKLOAD, "cuda:1", 3, 9, tmp_path).workers == 3
    assert not measured


def test_every_candidate_is_really_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "cores", lambda: 1)
    found = list(measure_all(WORKLOAD, [1]))
    assert {(c.compute.precision, c.compute.layout) for c, _ in found} == {
        (precision, layout) for precision in tuning.PRECISIONS for layout in tuning.LAYOUTS
    }
    assert all(seconds > 0 for _, seconds in found)
    assert {choice.workers for choice, _ in found} == {1}


def test_nothing_is_measured_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "LONGEST", 0)
    assert len(list(measure_all(WORKLOAD, [1]))) == 1


def test_candidates_that_all_fail_end_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "step_seconds", lack_memory)
    message = r"2 filters with 2 images a step, but: not enough for this test.*--filters"
    with pytest.raises(AtrousError, match=message):
        list(measure_all(WORKLOAD, [1]))


@pytest.mark.slow
def test_a_candidate_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def candidates(_: list[int]) -> Iterator[Choice]:
        yield Choice(Compute("cpu", "float32", "contiguous", -1), 1)
        yield SLOW

    monkeypatch.setattr(tuning, "_candidates", candidates)
    assert [choice for choice, _ in measure_all(WORKLOAD, [1])] == [SLOW]


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pick_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("auto") == "cuda"
    assert pick_device("cuda:1") == "cuda:1"
    with pytest.raises(AtrousError, match="cuda:2"):
        pick_device("cuda:2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == "cpu"
    with pytest.raises(AtrousError, match=r"--device cuda, but torch .* sees none"):
        pick_device("cuda")
    with pytest.raises(AtrousError, match="got 'tpu'"):
        pick_device("tpu")
