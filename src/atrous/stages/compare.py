"""A fair comparison of a few architectures, on images no choice was made on, with fresh seeds.

The best score of a search is too good: it was picked for being high on the selection images. Each
replicate is a trial of a study of its own in the run's ledger, with the values of every split.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from atrous.core.architecture import Architecture
from atrous.core.config import SearchConfig
from atrous.core.console import counting
from atrous.core.errors import AtrousError
from atrous.core.statistics import Interval, mean_interval
from atrous.core.trial import (
    REPLICATE,
    Failed,
    Job,
    Measured,
    Metrics,
    Note,
    Origin,
    Outcome,
    Trial,
    may_pass,
    values_of,
)
from atrous.data.dataset import Dataset, Samples
from atrous.estimation.cached import Proxy
from atrous.estimation.features import FeatureSet
from atrous.estimation.outcome import outcome_of, require_finite
from atrous.estimation.search_data import (
    SearchData,
    cached_of_data,
    estimator,
    features_beside,
    unchanged_data,
)
from atrous.execution import find_executor
from atrous.execution.executor import Executor
from atrous.search.ledger import Entry, Ledger, alike, scored
from atrous.search.loop import SearchPlan, search
from atrous.search.promotion import FullBudget
from atrous.search.run import HELD_BACK, Run, best_trial, ranked, winner
from atrous.search.verdict import cheapest_baseline
from atrous.spaces import find_architecture, find_space
from atrous.tasks.task import Value, on_split

FIRST_SEED = 1000
"""Fresh seeds count from here; a search's own seed is never among them unless it is as large."""
Sets = Mapping[str, FeatureSet]
"""The features of each split that replicates are scored on."""


@dataclass(frozen=True)
class Replicate:
    """An architecture trained again with a fresh seed, and its values by name on one split, whose
    feature set is called `data`; the main one is the first."""

    architecture: str
    seed: int
    split: str
    data: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Comparison:
    """The replicates of a few architectures with `seeds` seeds each, but for trials `left_out`.

    `names` maps what the user called each to its text; `value` names what is compared.
    """

    names: dict[str, str]
    splits: tuple[str, ...]
    seeds: int
    replicates: Sequence[Replicate]
    left_out: Sequence[Failed]
    value: str


def compare(
    run: Run, chosen: tuple[str, ...], splits: tuple[str, ...], seeds: int, cache: Path
) -> Comparison:
    """Trains architectures anew under a run's proxy, with fresh seeds, and scores them on splits.

    `best` in `chosen` is the winner of the run: what is trained and handed over. No `splits` means
    all that no choice was made on. Interrupted, it goes on where it stopped when it is asked for
    again. A trial that diverges or runs out of memory is left out. Raises `AtrousError`.
    """
    if not chosen:
        raise AtrousError("Expected at least one of --architectures, such as best.")
    config = run.config
    named = {name: _chosen(run, name) for name in chosen}
    data = unchanged_data(run)
    splits = splits or _unseen_splits(config, data.dataset)
    images = {split: _images(config, data.dataset, split) for split in splits}
    wanted = replicate_trials(list(named.values()), seeds, config.seed)
    measured, left_out = _trained(run, data, images, wanted, cache)
    if not measured:
        raise AtrousError(f"None of the architectures could be trained. {left_out[0].error}")
    texts = {name: str(architecture) for name, architecture in named.items()}
    return Comparison(texts, splits, seeds, measured, left_out, run.task.value)


def reread(run: Run, cache: Path, top: int | None = None, seeds: int | None = None) -> None:
    """Trains the best of a search anew with fresh seeds, the cheapest baseline beside them, and
    scores them on the half of the selection images that the search did not look at.

    As many as the run asks for, or `top`. Interrupted, it goes on where it stopped; where all was
    done, it does nothing. Raises `AtrousError`.
    """
    asked = run.config.reading
    top, seeds = asked.reread if top is None else top, seeds or asked.reread_seeds
    entries, cheap = run.ledger().entries(), cheapest_baseline(run)
    ordered = sorted(alike(scored(entries)), key=lambda each: each.standing, reverse=True)
    found = best_trial(entries, run.reranked(), {})
    if not top or found is None:
        return
    trials = [
        *(each.trial for each in ordered[:top]),
        *(each.trial for each in ranked(entries)[:1]),
    ]
    chosen = [trial.architecture for trial in (*trials, found)]
    chosen += [cheap.architecture] if cheap else []
    wanted = replicate_trials(chosen, seeds, run.config.seed)
    done = {_key(e.trial) for e in run.compared() if HELD_BACK in e.trial.origin.note}
    if {_key(trial) for trial in wanted} - done:
        data = unchanged_data(run)
        _trained(run, data, {HELD_BACK: data.held_back}, wanted, cache)


def _trained(
    run: Run, data: SearchData, images: Mapping[str, Samples], wanted: Sequence[Trial], cache: Path
) -> tuple[list[Replicate], list[Failed]]:
    """The replicates that are wanted, scored on these images, and what has failed of them."""
    config, settings = run.config, run.settings
    with run.locked():
        cached = cached_of_data(data, config, settings.crop, settings.device, cache)
        sets = {
            split: features_beside(samples, settings, data, cache)
            for split, samples in images.items()
        }
        plan = ReplicatePlan(
            estimator(settings, cached), sets, config.proxy.steps, settings.workers
        )
        with find_executor(config.machine.executor, settings.workers) as executor:
            return replicated(plan, wanted, run.comparison(), executor)


def scores(replicates: Sequence[Replicate], architecture: str, split: str) -> dict[int, float]:
    """The main value by seed."""
    return {
        r.seed: next(iter(r.values.values()))
        for r in replicates
        if r.architecture == architecture and r.split == split
    }


def paired(replicates: Sequence[Replicate], one: str, other: str, split: str) -> Interval:
    """The difference in the main value, `one` less `other`, over the seeds that both have."""
    left, right = scores(replicates, one, split), scores(replicates, other, split)
    return mean_interval([left[seed] - right[seed] for seed in sorted(left.keys() & right.keys())])


def _chosen(run: Run, name: str) -> Architecture:
    """The architecture of a name, where `best` is the winner of the run."""
    return winner(run).architecture if name == "best" else find_architecture(name)


def _unseen_splits(config: SearchConfig, dataset: Dataset) -> tuple[str, ...]:
    """The labelled splits that the search neither trained nor selected on."""
    used = {"train", config.data.select_on}
    unseen = tuple(s for s, found in dataset.splits.items() if found and s not in used)
    if not unseen:
        raise AtrousError(
            f"All labelled images of {config.data.path} were used in the search: none are left to "
            "compare on. Search with a part of train held out (--select-on 0.2), so that val "
            "stays unseen; or name a split with --on, and mind that its scores flatter."
        )
    return unseen


def _images(config: SearchConfig, dataset: Dataset, split: str) -> Samples:
    samples = dataset.splits.get(split, ())
    if not samples:
        have = ", ".join(name for name, found in dataset.splits.items() if found)
        raise AtrousError(
            f"Expected images in split {split!r} of {config.data.path}; there are images in: "
            f"{have}."
        )
    return samples


@dataclass(frozen=True)
class ReplicateEstimator:
    """Trains a candidate as a search does and scores it on every set; pickles."""

    proxy: Proxy
    sets: Sets

    def __call__(self, job: Job) -> Outcome:
        """Returns the values of all sets; failures come back as records, not exceptions."""
        return outcome_of(job, self._measure)

    def _measure(self, job: Job) -> Metrics:
        network, training = self.proxy.fitted(job.architecture, job.steps, job.seed)
        found = {split: self.proxy.evaluate(network, data) for split, data in self.sets.items()}
        for split, metrics in found.items():
            require_finite(values_of(metrics), split)
        scores = {on_split(name, s): each for s, m in found.items() for name, each in m.items()}
        return {**scores, **training}


@dataclass(frozen=True)
class ReplicatePlan:
    """How replicates are trained and scored: for `steps` steps, `workers` at a time."""

    proxy: Proxy
    sets: Sets
    steps: int
    workers: int

    def search(self, listed: Sequence[Trial]) -> SearchPlan:
        """The search that trains these trials and proposes nothing."""
        return SearchPlan(
            space=find_space(listed[0].architecture.space),
            promotion=FullBudget(self.steps),
            objective=Value(on_split(self.proxy.task.value, next(iter(self.sets)))),
            listed=listed,
            seed=listed[0].seed,
            workers=self.workers,
        )

    @property
    def data(self) -> Note:
        """The name of each split's feature set, which tells images that have changed."""
        return {split: features.path.name for split, features in self.sets.items()}

    def holds(self, entry: Entry) -> bool:
        """Whether an entry has the values that this plan asks for, of the same images."""
        same = self.data.items() <= entry.trial.origin.note.items()
        return same and entry.outcome.job.steps == self.steps


def replicate_trials(architectures: Sequence[Architecture], seeds: int, avoid: int) -> list[Trial]:
    """One trial per different architecture and seed; no seed is `avoid`."""
    fresh = [s for s in range(FIRST_SEED, FIRST_SEED + seeds + 1) if s != avoid][:seeds]
    return [
        Trial(number, architecture, Origin(REPLICATE), seed)
        for number, (seed, architecture) in enumerate(
            (s, a) for s in fresh for a in dict.fromkeys(architectures)
        )
    ]


def replicated(
    plan: ReplicatePlan, wanted: Sequence[Trial], ledger: Ledger, executor: Executor
) -> tuple[list[Replicate], list[Failed]]:
    """Returns the replicates that are wanted, and what has failed of them.

    What the ledger holds is not trained again; a trial that failed, or was scored on other images,
    is: its number is another one then. Raises `AtrousError`.
    """
    before = ledger.entries()
    kept = _measured(plan, before)
    left = [trial for trial in wanted if _key(trial) not in kept]
    with counting("training with fresh seeds", len(wanted), len(wanted) - len(left)) as advance:
        if left:
            estimate = ReplicateEstimator(plan.proxy, plan.sets)
            listed = _listed(plan, before, left)
            search(plan.search(listed), ledger, estimate, executor, lambda _: advance())
    after = ledger.entries()
    found, ended = _measured(plan, after), {_key(entry.trial): entry.outcome for entry in after}
    replicates = [r for t in wanted if _key(t) in found for r in _by_split(found[_key(t)], plan)]
    failed = (ended[_key(trial)] for trial in left if _key(trial) not in found)
    return replicates, [outcome for outcome in failed if isinstance(outcome, Failed)]


def _measured(plan: ReplicatePlan, entries: Sequence[Entry]) -> dict[tuple[str, int], Measured]:
    """The outcomes that have what the plan asks for, by architecture and seed."""
    return {
        _key(entry.trial): entry.outcome
        for entry in entries
        if isinstance(entry.outcome, Measured) and plan.holds(entry)
    }


def _key(trial: Trial) -> tuple[str, int]:
    return str(trial.architecture), trial.seed


def _listed(plan: ReplicatePlan, before: Sequence[Entry], left: Sequence[Trial]) -> list[Trial]:
    """The trials of a ledger by number, with those that are left at the numbers that are free."""
    taken = {e.trial.number: e.trial for e in before if not may_pass(e.outcome)}
    origin, free = Origin(REPLICATE, note=plan.data), (n for n in count() if n not in taken)
    fresh = {
        number: replace(trial, number=number, origin=origin)
        for number, trial in zip(free, left, strict=False)
    }
    return [taken.get(number) or fresh[number] for number in range(max(fresh) + 1)]


def _by_split(measured: Measured, plan: ReplicatePlan) -> Iterator[Replicate]:
    trial, task = measured.trial, plan.proxy.task
    for split, features in plan.sets.items():
        values = {n: measured.values[on_split(n, split)] for n in (*task.values, task.loss)}
        name, data = str(trial.architecture), features.path.name
        yield Replicate(name, trial.seed, split, data, values)
