"""A fair comparison of a few architectures, on images no choice was made on, with fresh seeds.

The best score of a search is too good: it was picked for being high on the selection images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from atrous.core.architecture import Architecture
from atrous.core.config import SearchConfig
from atrous.core.console import track
from atrous.core.errors import AtrousError
from atrous.core.files import hold
from atrous.core.records import Count, read_lines, write_lines
from atrous.core.statistics import Interval, mean_interval
from atrous.core.trial import Failed, Job, Metrics, Origin, Reason, Rung, Trial
from atrous.data.dataset import Dataset, Samples
from atrous.estimation.cached import Proxy
from atrous.estimation.features import FeatureSet
from atrous.estimation.outcome import outcome_of
from atrous.estimation.search_data import cached_of_data, estimator, features_of, unchanged_data
from atrous.execution import find_executor
from atrous.execution.executor import Executor, WorkerLostError
from atrous.search.run import Run, ranked
from atrous.spaces import find_architecture
from atrous.training.optimiser import NonFiniteError

READINGS = "comparison.jsonl"


@dataclass(frozen=True)
class Comparison:
    """The readings of a few architectures with `seeds` seeds each, but for trials `left_out`.

    `names` maps what the user called each to its text.
    """

    names: dict[str, str]
    splits: tuple[str, ...]
    seeds: int
    readings: Sequence[Reading]
    left_out: Sequence[Failed]


def compare(
    run: Run, chosen: tuple[str, ...], splits: tuple[str, ...], seeds: int, cache: Path
) -> Comparison:
    """Trains architectures anew under a run's proxy, with fresh seeds, and scores them on splits.

    `best` in `chosen` is the best of the run; no `splits` means all that no choice was made on.
    Interrupted, it goes on where it stopped when it is asked for again. A trial that diverges or
    runs out of memory is left out. Raises `AtrousError`.
    """
    if not chosen:
        raise AtrousError("Expected at least one of --architectures, such as best.")
    names = {name: _chosen(run, name) for name in chosen}
    sources = unchanged_data(run)
    splits = splits or _unseen_splits(run.config, sources.dataset)
    images = {split: _images(run.config, sources.dataset, split) for split in splits}
    material = cached_of_data(sources, run.config, run.settings.crop, run.settings.device, cache)
    sets = {
        split: features_of(samples, run.settings, sources, cache)
        for split, samples in images.items()
    }
    jobs = fresh_jobs(list(names.values()), seeds, run.config.proxy.steps, run.config.seed)
    executor = find_executor(run.config.machine.executor, run.settings.workers)
    proxy, path = estimator(run.settings, material), run.path / READINGS
    found = read_all(proxy, jobs, sets, executor, path)
    results = list(track(found, "training with fresh seeds", len(jobs)))
    left_out = [result for result in results if isinstance(result, Failed)]
    readings = [r for result in results if not isinstance(result, Failed) for r in result]
    if not readings:
        raise AtrousError(f"None of the architectures could be trained. {left_out[0].error}")
    texts = {name: str(architecture) for name, architecture in names.items()}
    return Comparison(texts, splits, seeds, readings, left_out)


def scores(readings: Sequence[Reading], architecture: str, split: str) -> dict[int, float]:
    """mIoU by seed."""
    return {
        r.seed: r.metrics.miou
        for r in readings
        if r.architecture == architecture and r.split == split
    }


def paired(readings: Sequence[Reading], one: str, other: str, split: str) -> Interval:
    """The difference in mIoU, `one` less `other`, over the seeds both were trained with."""
    left, right = scores(readings, one, split), scores(readings, other, split)
    return mean_interval([left[seed] - right[seed] for seed in sorted(left.keys() & right.keys())])


def _chosen(run: Run, name: str) -> Architecture:
    """The architecture of a name, where `best` is the best of the run that is no baseline."""
    if name != "best":
        return find_architecture(name)
    best = ranked(run.ledger().entries())
    if not best:
        raise AtrousError(f"Expected a trial with a score in {run.path}, but there is none yet.")
    return best[0].trial.architecture


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


FIRST_SEED = 1000
"""Fresh seeds count from here; a search's own seed is never among them unless it is as large."""


@dataclass(frozen=True)
class Reading:
    """One trained candidate on one split, whose feature set is called `data`."""

    architecture: str
    seed: Count
    split: str
    data: str
    metrics: Metrics


Sets = dict[str, FeatureSet]


def read(proxy: Proxy, job: Job, sets: Sets) -> list[Reading] | Failed:
    """Trains one candidate and reads its metrics on every set, or tells why it cannot be trained:
    it diverges, or there is not enough memory."""
    readings: list[Reading] = []

    def measure(job: Job) -> Metrics:
        network = proxy.fit(job.architecture, job.steps, job.seed)
        for split, data in sets.items():
            metrics = proxy.evaluate(network, data)
            _require_finite(metrics, split)
            text, name = str(job.architecture), data.path.name
            readings.append(Reading(text, job.seed, split, name, metrics))
        return metrics

    outcome = outcome_of(job, measure)
    return outcome if isinstance(outcome, Failed) else readings


def read_all(
    proxy: Proxy, jobs: Sequence[Job], sets: Sets, executor: Executor, path: Path
) -> Iterator[list[Reading] | Failed]:
    """The readings of each trial as they come, or why it has none; those kept at `path` first.

    Every new reading is appended there, so that an interrupted comparison goes on where it stopped;
    a trial that failed is not kept, and is tried again when it is asked for again. Raises
    `AtrousError` if another process is writing to `path`.
    """
    busy = (
        f"Another process is writing to {path}. Wait until it has ended, then ask again: what it "
        "measured is not measured a second time."
    )
    with hold(path.with_suffix(".lock"), busy), executor:
        kept = _kept(path, jobs, sets)
        yield from kept.values()
        left = [job for job in jobs if (str(job.architecture), job.seed) not in kept]
        running = {executor.submit(read, proxy, job, sets): job for job in left}
        for future in as_completed(running):
            result = _result(future, running[future])
            if not isinstance(result, Failed):
                _append(result, path)
            yield result


def fresh_jobs(
    architectures: Sequence[Architecture], seeds: int, steps: int, avoid: int
) -> list[Job]:
    """One job per different architecture and seed; no seed is `avoid`."""
    numbers = [s for s in range(FIRST_SEED, FIRST_SEED + seeds + 1) if s != avoid][:seeds]
    return [
        Job(Trial(number, architecture, Origin("comparison"), seed), Rung(0, steps))
        for number, (seed, architecture) in enumerate(
            (s, a) for s in numbers for a in dict.fromkeys(architectures)
        )
    ]


def _require_finite(metrics: Metrics, split: str) -> None:
    if metrics.cross_entropy is not None and not isfinite(metrics.cross_entropy):
        raise NonFiniteError(f"the cross-entropy on {split} is {metrics.cross_entropy}")


def _result(future: Future[list[Reading] | Failed], job: Job) -> list[Reading] | Failed:
    try:
        return future.result()
    except WorkerLostError as lost:
        text = f"{lost}. The system may have run out of memory."
        return Failed(job, Reason.WORKER_LOST, text)


def _append(readings: Sequence[Reading], path: Path) -> None:
    """Adds lines to a file, which never holds half a line."""
    write_lines(path, (*_read_file(path), *readings), "readings")


def _kept(path: Path, jobs: Sequence[Job], sets: Sets) -> dict[tuple[str, int], list[Reading]]:
    wanted = {(str(job.architecture), job.seed) for job in jobs}
    found: dict[tuple[str, int], dict[str, Reading]] = {}
    for reading in _read_file(path):
        key = (reading.architecture, reading.seed)
        data = sets.get(reading.split)
        if key in wanted and data is not None and reading.data == data.path.name:
            found.setdefault(key, {})[reading.split] = reading
    return {
        key: [splits[name] for name in sets]
        for key, splits in found.items()
        if splits.keys() == sets.keys()
    }


def _read_file(path: Path) -> list[Reading]:
    return read_lines(path, Reading, "a reading", "Delete the line; it is measured again.")
