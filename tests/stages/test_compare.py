"""Comparisons with fresh seeds: what is trained, what is kept, what is left out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from math import nan
from pathlib import Path
from typing import Any

import pytest

from atrous.core.architecture import Architecture
from atrous.core.errors import AtrousError
from atrous.core.statistics import mean_interval
from atrous.core.trial import TRIAL, Failed, Metrics, Origin, Reason, Trial, values_of
from atrous.estimation.cached import Proxy
from atrous.estimation.features import FeatureSet
from atrous.execution.executor import InlineExecutor, WorkerLostError
from atrous.networks.network import Tail
from atrous.search.ledger import Ledger, file_url, scored
from atrous.search.loop import Estimator
from atrous.search.run import HELD_BACK, RERANK, SECOND, Run, winner
from atrous.search.verdict import verdict_of
from atrous.spaces import find_architecture
from atrous.stages.compare import (
    FIRST_SEED,
    Replicate,
    ReplicatePlan,
    compare,
    paired,
    replicate_trials,
    replicated,
    reread,
    scores,
)
from atrous.stages.search import proceed
from atrous.tasks.segmentation import SEGMENTATION
from atrous.training.optimiser import NonFiniteError
from tests import small_search
from tests.records import SPACE, measured, metrics, widths
from tests.small_search import ignore, write_data

TOP1, ASPP = (SPACE.architecture(SPACE.published[name]) for name in ("top1", "aspp"))
SPLITS = ("val", "test")
WANTED = replicate_trials([TOP1, ASPP], seeds=3, avoid=0)


class MadeUp:
    """In the place of a proxy: an mIoU that depends on architecture, seed and split alone."""

    task = SEGMENTATION

    def __init__(self, error: BaseException | None = None, at: int = 2) -> None:
        self.trained: list[tuple[str, int]] = []
        self.error, self.at = error, _key(WANTED[at])

    def fitted(
        self, architecture: Architecture, steps: int, seed: int
    ) -> tuple[tuple[Architecture, int], Metrics]:
        assert steps == 7
        if self.error and (str(architecture), seed) == self.at:
            raise self.error
        self.trained.append((str(architecture), seed))
        return (architecture, seed), {}

    def evaluate(self, network: tuple[Architecture, int], data: FeatureSet) -> Metrics:
        architecture, seed = network
        place = int(architecture == TOP1) + len(data.path.name) / 100
        return metrics(place / 2 + seed / 1e5)


def _key(trial: Trial) -> tuple[str, int]:
    return str(trial.architecture), trial.seed


@pytest.fixture
def made_up() -> MadeUp:
    return MadeUp()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.create(file_url(tmp_path / "ledger.db"), "replicates")


def results(
    proxy: MadeUp,
    ledger: Ledger,
    splits: tuple[str, ...] = SPLITS,
    kind: str = "features",
    wanted: Sequence[Trial] = WANTED,
) -> tuple[list[Replicate], list[Failed]]:
    fake: Any = proxy
    sets = {name: FeatureSet(Path(f"{name}-{kind}")) for name in splits}
    return replicated(ReplicatePlan(fake, sets, 7, 1), wanted, ledger, InlineExecutor())


def train(proxy: MadeUp, ledger: Ledger, *asked: Any) -> list[Replicate]:
    found, failed = results(proxy, ledger, *asked)
    assert not failed
    return found


def test_seeds_are_shared_and_fresh() -> None:
    trials = replicate_trials([TOP1, ASPP, TOP1], seeds=3, avoid=FIRST_SEED + 1)
    seeds = [FIRST_SEED, FIRST_SEED + 2, FIRST_SEED + 3]
    by_architecture: dict[Architecture, list[int]] = {}
    for trial in trials:
        by_architecture.setdefault(trial.architecture, []).append(trial.seed)
    assert by_architecture == {TOP1: seeds, ASPP: seeds}
    assert [trial.number for trial in trials] == list(range(6))


def test_every_trial_is_scored_on_every_split(made_up: MadeUp, ledger: Ledger) -> None:
    found = train(made_up, ledger)
    assert len(found) == 12
    assert made_up.trained == [_key(trial) for trial in WANTED]
    replicate = next(r for r in found if (r.seed, r.split) == (FIRST_SEED, "val"))
    trained = (WANTED[0].architecture, WANTED[0].seed)
    expected = made_up.evaluate(trained, FeatureSet(Path("val-features")))
    assert replicate.values == values_of(expected)
    (first, *_) = ledger.entries()
    assert (str(first.trial.origin), first.outcome.job.steps) == ("replicate", 7)
    assert first.score == replicate.values["miou"]


def test_what_was_trained_is_not_trained_again(made_up: MadeUp, ledger: Ledger) -> None:
    first = train(made_up, ledger)
    assert train(made_up, ledger) == first
    assert train(made_up, ledger, ("val",)) == [r for r in first if r.split == "val"]
    assert len(made_up.trained) == 6


@pytest.mark.parametrize("ended", [0, 2, 5])
def test_an_interrupted_comparison_goes_on(
    made_up: MadeUp, ledger: Ledger, tmp_path: Path, ended: int
) -> None:
    whole = train(made_up, Ledger.create(file_url(tmp_path / "whole.db"), "replicates"))
    with pytest.raises(KeyboardInterrupt):
        results(MadeUp(KeyboardInterrupt(), ended), ledger)
    assert len(ledger.entries()) == ended
    made_up.trained.clear()
    assert train(made_up, ledger) == whole
    assert made_up.trained == [_key(trial) for trial in WANTED[ended:]]


def test_numbers_that_an_interruption_left_free_are_taken(made_up: MadeUp, ledger: Ledger) -> None:
    train(made_up, ledger, SPLITS, "features", WANTED[:1])
    (entry,) = ledger.entries()
    late = replace(WANTED[3], number=4)
    outcome = replace(entry.outcome, job=replace(entry.outcome.job, trial=late))
    ledger.record(replace(entry, outcome=outcome), widths(entry))
    assert len(train(made_up, ledger)) == 12
    assert [entry.trial.number for entry in ledger.entries()] == list(range(7))


def test_another_split_is_trained_for_anew(made_up: MadeUp, ledger: Ledger) -> None:
    train(made_up, ledger, ("val",))
    found = train(made_up, ledger)
    assert len(made_up.trained) == 12
    assert {(r.seed, r.split) for r in found} == {(t.seed, s) for t in WANTED for s in SPLITS}
    assert train(made_up, ledger) == found
    assert len(made_up.trained) == 12


def test_replicates_on_images_that_have_changed_are_not_kept(
    made_up: MadeUp, ledger: Ledger
) -> None:
    train(made_up, ledger)
    found = train(made_up, ledger, SPLITS, "other features")
    assert len(made_up.trained) == 12
    assert {r.data for r in found} == {"val-other features", "test-other features"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NonFiniteError("the loss was nan"), Reason.NON_FINITE),
        (WorkerLostError("ended with exit code -9"), Reason.WORKER_LOST),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), Reason.OUT_OF_MEMORY),
        (RuntimeError("size mismatch"), Reason.ERROR),
    ],
)
def test_a_failed_training_is_left_out_and_tried_again(
    made_up: MadeUp, ledger: Ledger, error: Exception, reason: Reason
) -> None:
    found, (failed,) = results(MadeUp(error), ledger)
    assert (_key(failed.trial), failed.reason) == (_key(WANTED[2]), reason)
    assert str(error) in failed.error
    assert len(found) == 10
    assert len(train(made_up, ledger)) == 12
    assert made_up.trained == [_key(WANTED[2])]


def test_a_network_without_a_finite_loss_has_diverged(made_up: MadeUp, ledger: Ledger) -> None:
    class Diverged(MadeUp):
        def evaluate(self, network: tuple[Architecture, int], data: FeatureSet) -> Metrics:
            found = super().evaluate(network, data)
            return {**found, "cross_entropy": nan} if data.path.name[:4] == "test" else found

    found, failed = results(Diverged(), ledger)
    assert {result.reason for result in failed} == {Reason.NON_FINITE}
    assert all("the cross-entropy on test is nan" in result.error for result in failed)
    assert (found, len(failed)) == ([], 6)
    assert len(train(made_up, ledger)) == 12


def test_differences_are_taken_seed_by_seed() -> None:
    ours = {1: 0.5, 2: 0.7, 3: 0.4, 4: 0.9}
    theirs = {3: 0.3, 1: 0.45, 2: 0.6, 9: 0.0}
    replicates = [
        Replicate(name, seed, split, "", {"miou": value + shift})
        for name, values in (("ours", ours), ("theirs", theirs))
        for seed, value in values.items()
        for split, shift in (("val", 0.0), ("test", 0.01 * seed * (name == "ours")))
    ]
    found = paired(replicates, "ours", "theirs", "val")
    expected = mean_interval([0.05, 0.1, 0.1])
    assert (found.mean, found.low, found.high) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )
    assert found.count == 3
    assert paired(replicates, "ours", "theirs", "test").mean == pytest.approx(found.mean + 0.02)
    assert scores(replicates, "theirs", "val") == theirs


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def begun(tmp_path: Path, cache: Path) -> tuple[Run, Estimator]:
    return small_search.begun(write_data(tmp_path / "data"), tmp_path / "run", cache)


@pytest.fixture
def searched(begun: tuple[Run, Estimator]) -> Run:
    run, estimator = begun
    proceed(run, estimator, ignore)
    return run


def test_architectures_of_a_run_are_compared_on_other_images(searched: Run, cache: Path) -> None:
    chosen, splits = ("best", "dpc:top1"), ("val", "test")
    found = compare(searched, chosen, splits, 2, cache)
    assert len(found.replicates) == 8
    assert {one.split for one in found.replicates} == {"val", "test"}
    assert (found.seeds, found.left_out) == (2, [])
    entries = searched.ledger().entries()
    measured = {str(e.trial.architecture) for e in entries if e.trial.number > 0}
    assert found.names["best"] in measured
    kept = searched.compared()
    assert len(kept) == 4
    assert compare(searched, chosen, splits, 2, cache) == found
    assert searched.compared() == kept
    assert searched.ledger().entries() == entries


def test_the_best_is_the_one_that_is_trained_and_handed_over(searched: Run, cache: Path) -> None:
    worst = min(searched.ledger().entries()[1:], key=lambda entry: entry.score or 0.0)
    again = replace(worst.trial, number=0, origin=Origin(TRIAL, (worst.trial.number,)))
    second = measured(0, 0.9)
    outcome = replace(second.outcome, job=replace(second.outcome.job, trial=again))
    (searched.path / RERANK).write_text("{}")
    entry = replace(second, outcome=outcome)
    searched.begin_ledger(SECOND).record(entry, widths(entry))
    found = compare(searched, ("best",), ("test",), 2, cache)
    assert found.names["best"] == str(worst.trial.architecture)


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
    fitted, top1 = Proxy.fitted, find_architecture("dpc:top1")

    def diverge(
        proxy: Proxy, architecture: Architecture, steps: int, seed: int
    ) -> tuple[Tail, Metrics]:
        if (architecture, seed) == (top1, 1000):
            raise NonFiniteError("the loss was nan")
        return fitted(proxy, architecture, steps, seed)

    monkeypatch.setattr(Proxy, "fitted", diverge)
    found = compare(searched, ("best", "dpc:top1"), ("test",), 2, cache)
    (failed,) = found.left_out
    assert failed.reason is Reason.NON_FINITE
    assert (str(failed.trial.architecture), failed.trial.seed) == (found.names["dpc:top1"], 1000)
    assert len(scores(found.replicates, found.names["best"], "test")) == 2
    assert list(scores(found.replicates, found.names["dpc:top1"], "test")) == [1001]
    told = json.loads(json.dumps(asdict(found)))
    assert told["left_out"][0]["reason"] == "non-finite"
    assert told["names"]["dpc:top1"] == found.names["dpc:top1"]
    monkeypatch.undo()
    assert compare(searched, ("best", "dpc:top1"), ("test",), 2, cache).left_out == []


def test_a_comparison_of_nothing_is_told(
    searched: Run, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(_proxy: Proxy, *_: object) -> Tail:
        raise NonFiniteError("the loss was nan")

    monkeypatch.setattr(Proxy, "fitted", diverge)
    with pytest.raises(AtrousError, match=r"None of the architectures.*the loss was nan"):
        compare(searched, ("best",), ("test",), 2, cache)


def test_there_is_no_best_before_a_trial_has_a_score(
    begun: tuple[Run, Estimator], cache: Path
) -> None:
    with pytest.raises(AtrousError, match="none yet"):
        compare(begun[0], ("best",), ("val",), 2, cache)


def test_the_best_are_read_again_on_images_that_the_search_did_not_look_at(
    tmp_path: Path, cache: Path
) -> None:
    asked = {"baselines": ("dpc:1x1",), "trials": 4, "reread": 2, "reread_seeds": 2}
    data = write_data(tmp_path / "data")
    run, estimator = small_search.begun(data, tmp_path / "run", cache, **asked)
    assert isinstance(estimator, Proxy)
    assert run.context.selection_images == 2
    proceed(run, estimator, ignore)
    reread(run, cache)
    read = run.compared()
    assert {e.trial.seed for e in read} == {FIRST_SEED, FIRST_SEED + 1}
    (held,) = {e.trial.origin.note[HELD_BACK] for e in read}
    assert held != estimator.selection.path.name
    entries = run.ledger().entries()
    best = sorted(scored(entries), key=lambda found: -found.score)
    architectures = {e.trial.architecture for e in read}
    assert architectures >= {
        *(e.trial.architecture for e in best[:2]),
        find_architecture("dpc:1x1"),
    }
    told = verdict_of(run, entries)
    assert told is not None
    assert told.rereading is not None
    assert told.rereading.basis == "2 fresh seeds each, on selection images that chose nothing"
    assert len(told.rereading.read) == len(architectures)
    means = {each.contender.name: each.mean for each in told.rereading.read}
    del means["dpc:1x1"]
    assert winner(run).label == told.found.name == max(means, key=lambda name: means[name])
    reread(run, tmp_path / "nowhere")
    assert run.compared() == read, "what was read is not read again"
