"""A fair comparison of a few architectures, on images no choice was made on, with fresh seeds.

The best score of a search is too good: it was picked for being high on the selection images. Here
each architecture is trained anew, under the run's own proxy, once per seed; all share the seeds, so
that differences are paired.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import asdict, dataclass
from math import nan, sqrt
from pathlib import Path
from statistics import mean, stdev

import torch
from scipy.stats import t as student

from atrous.architecture import Architecture
from atrous.errors import AtrousError
from atrous.estimation.features import FeatureSet
from atrous.estimation.proxy import Proxy
from atrous.estimation.training import NonFiniteError
from atrous.execution.local import LocalExecutor, WorkerLostError
from atrous.trial import Metrics, Trial

FIRST_SEED = 1000
"""Fresh seeds count from here; a search's own seed is never among them unless it is as large."""
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Reading:
    """One trained candidate on one split, whose feature set is called `data`."""

    architecture: str
    seed: int
    split: str
    data: str
    metrics: Metrics


@dataclass(frozen=True)
class Interval:
    """A mean of `count` readings with its 95 % confidence interval (Student's t)."""

    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Comparison:
    """The readings of a few architectures; `names` maps what the user called each to its text."""

    names: dict[str, str]
    splits: tuple[str, ...]
    readings: Sequence[Reading]


Sets = dict[str, FeatureSet]


def read(proxy: Proxy, trial: Trial, sets: Sets) -> list[Reading]:
    """Trains one candidate and reads its metrics on every set."""
    network = proxy.fit(trial)
    text, seed = str(trial.architecture), trial.seed
    return [
        Reading(text, seed, split, data.path.name, proxy.evaluate(network, data))
        for split, data in sets.items()
    ]


def read_all(
    proxy: Proxy, trials: Sequence[Trial], sets: Sets, workers: int, path: Path
) -> Iterator[list[Reading]]:
    """The readings of each trial as they come, those kept at `path` from before first.

    Every new one is appended there, so that an interrupted comparison goes on where it stopped.
    """
    kept = _kept(path, trials, sets)
    yield from kept.values()
    left = [trial for trial in trials if (str(trial.architecture), trial.seed) not in kept]
    with LocalExecutor(workers) as executor:
        jobs = {executor.submit(read, proxy, trial, sets): trial for trial in left}
        for job in as_completed(jobs):
            readings = _result(job, jobs[job])
            _append(readings, path)
            yield readings


def interval(values: Sequence[float]) -> Interval:
    """The mean with its confidence interval; without bounds for a single value."""
    count = len(values)
    if count < 2:
        return Interval(mean(values), nan, nan, count)
    margin = float(student.ppf((1 + CONFIDENCE) / 2, count - 1)) * stdev(values) / sqrt(count)
    return Interval(mean(values), mean(values) - margin, mean(values) + margin, count)


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
    return interval([left[seed] - right[seed] for seed in sorted(left.keys() & right.keys())])


def fresh_trials(
    architectures: Sequence[Architecture], seeds: int, steps: int, avoid: int
) -> list[Trial]:
    """One trial per different architecture and seed; no seed is `avoid`."""
    numbers = [s for s in range(FIRST_SEED, FIRST_SEED + seeds + 1) if s != avoid][:seeds]
    return [
        Trial(number, architecture, "comparison", steps, seed)
        for number, (seed, architecture) in enumerate(
            (s, a) for s in numbers for a in dict.fromkeys(architectures)
        )
    ]


def _result(job: Future[list[Reading]], trial: Trial) -> list[Reading]:
    try:
        return job.result()
    except (NonFiniteError, WorkerLostError, MemoryError, torch.OutOfMemoryError) as error:
        raise AtrousError(
            f"Expected to train {trial.architecture} with seed {trial.seed}, but: {error}. What "
            "was measured before is kept. Ask again to go on, or name other --architectures."
        ) from error


def _append(readings: Sequence[Reading], path: Path) -> None:
    """Adds lines to a file, which never holds half a line."""
    before = path.read_text() if path.exists() else ""
    partial = path.with_suffix(".partial")
    partial.write_text(before + "".join(json.dumps(asdict(r)) + "\n" for r in readings))
    partial.replace(path)


def _kept(path: Path, trials: Sequence[Trial], sets: Sets) -> dict[tuple[str, int], list[Reading]]:
    wanted = {(str(trial.architecture), trial.seed) for trial in trials}
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


def _read_file(path: Path) -> Iterator[Reading]:
    if not path.exists():
        return
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            fields = json.loads(line)
            metrics = Metrics.from_json(fields.pop("metrics"))
            yield Reading(**fields, metrics=metrics)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise AtrousError(
                f"Expected a reading in line {number} of {path}, but {error}. Delete the line; it "
                "is measured again."
            ) from error
