"""Comparisons with fresh seeds: what is trained, intervals, pairs, and what is left out."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from atrous.core.architecture import Architecture
from atrous.core.errors import AtrousError
from atrous.core.statistics import mean_interval
from atrous.core.trial import Reason
from atrous.estimation import estimators
from atrous.estimation.cached import Proxy
from atrous.search.loop import Estimator
from atrous.search.run import Run
from atrous.spaces import find_architecture
from atrous.stages.compare import Reading, compare, paired, scores
from atrous.stages.search import begin, proceed
from atrous.tasks.segmentation.probabilities import Segmenter
from atrous.training.optimiser import NonFiniteError
from tests.records import metrics
from tests.small_search import config, ignore, remembered, write_data


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data")


@pytest.fixture
def begun(
    data: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Run, Estimator]:
    monkeypatch.setattr(estimators, "choose", remembered([]))
    return begin(config(data), tmp_path / "run", cache)


@pytest.fixture
def searched(begun: tuple[Run, Estimator]) -> Run:
    run, estimator = begun
    proceed(run, estimator, ignore)
    return run


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
    expected = mean_interval([0.05, 0.1, 0.1])
    assert (found.mean, found.low, found.high) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )
    assert found.count == 3
    assert paired(readings, "ours", "theirs", "test").mean == pytest.approx(found.mean + 0.02)
    assert scores(readings, "theirs", "val") == theirs


def test_architectures_of_a_run_are_compared_on_other_images(searched: Run, cache: Path) -> None:
    chosen, splits = ("best", "dpc:top1"), ("val", "test")
    found = compare(searched, chosen, splits, 2, cache)
    assert len(found.readings) == 8
    assert {reading.split for reading in found.readings} == {"val", "test"}
    assert (found.seeds, found.left_out) == (2, [])
    entries = searched.ledger().entries()
    measured = {str(e.trial.architecture) for e in entries if e.trial.number > 0}
    assert found.names["best"] in measured
    kept = (searched.path / "comparison.jsonl").read_text()
    again = compare(searched, chosen, splits, 2, cache)
    assert {str(reading) for reading in again.readings} == {str(r) for r in found.readings}
    assert (searched.path / "comparison.jsonl").read_text() == kept


def test_without_splits_only_unseen_images_count(searched: Run, cache: Path) -> None:
    assert compare(searched, ("best",), (), 2, cache).splits == ("test",)


def test_a_split_without_images_is_told_before_anything_is_computed(
    searched: Run, tmp_path: Path
) -> None:
    with pytest.raises(AtrousError, match=r"images in split 'night'.*train, val, test"):
        compare(searched, ("best",), ("val", "night"), 2, tmp_path / "other cache")
    assert not (tmp_path / "other cache").exists()


def test_a_candidate_that_diverges_is_left_out_and_the_others_are_compared(
    searched: Run, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, top1 = Proxy.fit, find_architecture("dpc:top1")

    def diverge(proxy: Proxy, architecture: Architecture, steps: int, seed: int) -> Segmenter:
        if (architecture, seed) == (top1, 1000):
            raise NonFiniteError("the loss was nan")
        return fit(proxy, architecture, steps, seed)

    monkeypatch.setattr(Proxy, "fit", diverge)
    found = compare(searched, ("best", "dpc:top1"), ("test",), 2, cache)
    (failed,) = found.left_out
    assert failed.reason is Reason.NON_FINITE
    assert (str(failed.trial.architecture), failed.trial.seed) == (found.names["dpc:top1"], 1000)
    assert len(scores(found.readings, found.names["best"], "test")) == 2
    assert list(scores(found.readings, found.names["dpc:top1"], "test")) == [1001]
    told = json.loads(json.dumps(asdict(found)))
    assert told["left_out"][0]["reason"] == "non-finite"
    assert told["names"]["dpc:top1"] == found.names["dpc:top1"]
    monkeypatch.undo()
    assert compare(searched, ("best", "dpc:top1"), ("test",), 2, cache).left_out == []


def test_a_comparison_of_nothing_is_told(
    searched: Run, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(_proxy: Proxy, *_: object) -> Segmenter:
        raise NonFiniteError("the loss was nan")

    monkeypatch.setattr(Proxy, "fit", diverge)
    with pytest.raises(AtrousError, match=r"None of the architectures.*the loss was nan"):
        compare(searched, ("best",), ("test",), 2, cache)


def test_there_is_no_best_before_a_trial_has_a_score(
    begun: tuple[Run, Estimator], cache: Path
) -> None:
    with pytest.raises(AtrousError, match="none yet"):
        compare(begun[0], ("best",), ("val",), 2, cache)
