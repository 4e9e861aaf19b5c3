"""Architectures trained anew with fresh seeds, and what they score on sets of images.

Each is trained under a run's own proxy, once per seed; all share the seeds, so that differences are
paired. Readings are kept in a file, one line each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path

from atrous.core.architecture import Architecture
from atrous.core.errors import AtrousError
from atrous.core.files import hold
from atrous.core.trial import Failed, Job, Metrics, Origin, Reason, Rung, Trial
from atrous.estimation.cached import Proxy
from atrous.estimation.features import FeatureSet
from atrous.estimation.outcome import outcome_of
from atrous.execution.executor import Executor, WorkerLostError
from atrous.training.optimiser import NonFiniteError

FIRST_SEED = 1000
"""Fresh seeds count from here; a search's own seed is never among them unless it is as large."""


@dataclass(frozen=True)
class Reading:
    """One trained candidate on one split, whose feature set is called `data`."""

    architecture: str
    seed: int
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
    before = path.read_text() if path.exists() else ""
    partial = path.with_suffix(".partial")
    partial.write_text(before + "".join(json.dumps(asdict(r)) + "\n" for r in readings))
    partial.replace(path)


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
