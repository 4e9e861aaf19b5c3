"""Comparisons with fresh seeds: intervals, pairs, and readings that outlive an interruption."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from atrous import comparison
from atrous.architecture import Architecture
from atrous.comparison import FIRST_SEED, Reading, fresh_trials, interval, paired, read_all, scores
from atrous.errors import AtrousError
from atrous.estimation.features import FeatureSet
from atrous.estimation.training import NonFiniteError
from atrous.execution.local import WorkerLostError
from atrous.trial import Metrics, Trial
from tests.executors import Immediate
from tests.records import SPACE, metrics

TOP1, ASPP = (SPACE.architecture(SPACE.published[name]) for name in ("top1", "aspp"))
SPLITS = ("val", "test")


class MadeUp:
    """In the place of a proxy: an mIoU that depends on architecture, seed and split alone."""

    def __init__(self, error: Exception | None = None) -> None:
        self.fitted: list[tuple[str, int]] = []
        self.error = error

    def fit(self, trial: Trial) -> Trial:
        if self.error and trial == TRIALS[2]:
            raise self.error
        self.fitted.append((str(trial.architecture), trial.seed))
        return trial

    def evaluate(self, network: Trial, data: FeatureSet) -> Metrics:
        place = int(network.architecture == TOP1) + len(data.path.name) / 100
        return metrics(place / 2 + network.seed / 1e5)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    monkeypatch.setattr(comparison, "LocalExecutor", Immediate)
    return MadeUp()


TRIALS = fresh_trials([TOP1, ASPP], seeds=3, steps=7, avoid=0)


def read(
    proxy: MadeUp, path: Path, splits: tuple[str, ...] = SPLITS, kind: str = "features"
) -> list[Reading]:
    sets = {name: FeatureSet(Path(f"{name}-{kind}")) for name in splits}
    fake: Any = proxy
    found = [reading for part in read_all(fake, TRIALS, sets, 1, path) for reading in part]
    return sorted(found, key=lambda r: (r.architecture, r.seed, r.split))


@pytest.mark.parametrize("count", [2, 3, 10])
def test_intervals_are_those_of_scipy(count: int) -> None:
    values = np.random.default_rng(count).normal(0.5, 0.1, count).tolist()
    found = interval(values)
    low, high = stats.t.interval(
        0.95, count - 1, loc=np.mean(values), scale=stats.sem(values, ddof=1)
    )
    assert (found.mean, found.low, found.high) == pytest.approx((np.mean(values), low, high))
    assert found.count == count


def test_one_value_has_no_bounds() -> None:
    found = interval([0.5])
    assert (found.mean, found.count) == (0.5, 1)
    assert isnan(found.low)
    assert isnan(found.high)


def test_equal_values_have_a_narrow_interval() -> None:
    found = interval([0.25, 0.25, 0.25])
    assert (found.mean, found.low, found.high) == (0.25, 0.25, 0.25)


def test_differences_are_taken_seed_by_seed() -> None:
    ours = {1: 0.5, 2: 0.7, 3: 0.4, 4: 0.9}
    theirs = {3: 0.3, 1: 0.45, 2: 0.6, 9: 0.0}
    readings = [
        Reading(name, seed, split, "", metrics(value + shift))
        for name, values in (("ours", ours), ("theirs", theirs))
        for seed, value in values.items()
        for split, shift in (("val", 0.0), ("test", 0.01 * seed * (name == "ours")))
    ]
    found = paired(readings, "ours", "theirs", "val")
    expected = interval([0.05, 0.1, 0.1])
    assert (found.mean, found.low, found.high) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )
    assert found.count == 3
    assert paired(readings, "ours", "theirs", "test").mean == pytest.approx(found.mean + 0.02)
    assert scores(readings, "theirs", "val") == theirs


def test_seeds_are_shared_and_fresh() -> None:
    trials = fresh_trials([TOP1, ASPP, TOP1], seeds=3, steps=9, avoid=FIRST_SEED + 1)
    seeds = [FIRST_SEED, FIRST_SEED + 2, FIRST_SEED + 3]
    by_architecture: dict[Architecture, list[int]] = {}
    for trial in trials:
        by_architecture.setdefault(trial.architecture, []).append(trial.seed)
    assert by_architecture == {TOP1: seeds, ASPP: seeds}
    assert {trial.steps for trial in trials} == {9}
    assert [trial.number for trial in trials] == list(range(6))


def test_every_trial_is_read_on_every_split(made_up: MadeUp, tmp_path: Path) -> None:
    found = read(made_up, tmp_path / "kept.jsonl")
    assert len(found) == 12
    assert len(made_up.fitted) == len(set(made_up.fitted)) == 6
    reading = next(r for r in found if (r.seed, r.split) == (FIRST_SEED, "val"))
    assert reading.metrics == made_up.evaluate(TRIALS[1], FeatureSet(Path("val-features")))


def test_what_was_read_is_not_read_again(made_up: MadeUp, tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    first = read(made_up, path)
    assert read(made_up, path) == first
    assert len(made_up.fitted) == 6


@pytest.mark.parametrize("left", range(0, 12, 5))
def test_an_interrupted_comparison_goes_on(made_up: MadeUp, tmp_path: Path, left: int) -> None:
    path = tmp_path / "kept.jsonl"
    expected = read(made_up, path)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:left]))
    made_up.fitted.clear()
    assert read(made_up, path) == expected
    assert len(made_up.fitted) == 6 - left // 2
    made_up.fitted.clear()
    assert read(made_up, path) == expected
    assert made_up.fitted == []


def test_another_split_reads_anew(made_up: MadeUp, tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    read(made_up, path, splits=("val",))
    found = read(made_up, path)
    assert len(made_up.fitted) == 12
    assert {(reading.seed, reading.split) for reading in found} == {
        (trial.seed, split) for trial in TRIALS for split in SPLITS
    }
    assert read(made_up, path) == found
    assert len(made_up.fitted) == 12


@pytest.mark.parametrize("line", ["", "{", "7", "{}", '{"metrics": {}}', '{"metrics": 1}'])
def test_a_damaged_line_is_named(made_up: MadeUp, tmp_path: Path, line: str) -> None:
    path = tmp_path / "kept.jsonl"
    expected = read(made_up, path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], line, *lines[5:]]) + "\n")
    with pytest.raises(AtrousError, match=r"in line 5 of .*kept\.jsonl.*Delete the line"):
        read(made_up, path)
    path.write_text("\n".join([*lines[:4], *lines[5:]]) + "\n")
    assert read(made_up, path) == expected
    made_up.fitted.clear()
    assert read(made_up, path) == expected
    assert made_up.fitted == []


@pytest.mark.parametrize(
    "error", [NonFiniteError("the loss was nan"), WorkerLostError("ended with exit code -9")]
)
def test_a_failed_training_is_told_and_the_comparison_goes_on(
    made_up: MadeUp, tmp_path: Path, error: Exception
) -> None:
    path = tmp_path / "kept.jsonl"
    message = rf"{TRIALS[2].architecture} with seed {TRIALS[2].seed}, but: {error}.*is kept"
    with pytest.raises(AtrousError, match=message):
        read(MadeUp(error), path)
    assert len(read(made_up, path)) == 12
    assert (str(TRIALS[2].architecture), TRIALS[2].seed) in made_up.fitted


def test_the_executor_has_the_workers_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[int] = []

    class Asked(Immediate):
        def __init__(self, workers: int) -> None:
            asked.append(workers)
            super().__init__(workers)

    monkeypatch.setattr(comparison, "LocalExecutor", Asked)
    fake: Any = MadeUp()
    list(read_all(fake, TRIALS[:1], {}, 3, tmp_path / "kept.jsonl"))
    assert asked == [3]


def test_readings_of_images_that_have_changed_are_not_kept(made_up: MadeUp, tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    read(made_up, path)
    found = read(made_up, path, kind="other features")
    assert len(made_up.fitted) == 12
    assert {reading.data for reading in found} == {"val-other features", "test-other features"}
