"""The records that flow through a search, from a proposal to what was measured.

Trial(number, architecture, origin)  ->  Job(trial, rung)  ->  Measured | Failed
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any

from pydantic import Field, model_serializer, model_validator

from atrous.core.architecture import Architecture
from atrous.core.records import Amount, Count, Finite

UNIFORM, NEAR, BASELINE = "uniform", "near", "baseline"
"""Kinds of origin: drawn uniformly, near a parent, asked for by name."""
TRIAL, REPLICATE = "trial", "replicate"
"""Kinds of origin: an earlier trial again, an architecture again with a fresh seed."""

Note = dict[str, float | str | tuple[float, ...]]


@dataclass(frozen=True)
class Origin:
    """Who proposed an architecture.

    `kind` names the way it was found, `parents` the numbers of the trials it was made from, and
    `label` tells it from others of its kind. `note` holds what a strategy wants to see again beside
    the result, such as the log-probability of its choices. `str()` says it in words: `uniform`,
    `near 12`, `baseline dpc:aspp`; nothing reads these words again.
    """

    kind: str
    parents: tuple[int, ...] = ()
    label: str = ""
    note: Note = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return " ".join((self.kind, *map(str, self.parents), self.label)).rstrip()


@dataclass(frozen=True)
class Trial:
    """One architecture to be measured.

    `number` counts trials from 0 within a run. `seed` fixes initial weights and batches. `knows`
    is how many entries the ledger had when the architecture was proposed: what the proposal could
    learn from.
    """

    number: Count
    architecture: Architecture
    origin: Origin
    seed: int
    knows: Count = 0

    @property
    def is_baseline(self) -> bool:
        return self.origin.kind == BASELINE

    @property
    def is_uniform(self) -> bool:
        return self.origin.kind == UNIFORM

    @property
    def label(self) -> str:
        """The name of a baseline, else `trial` and the number that the architecture has."""
        if self.is_baseline:
            return self.origin.label
        again = self.origin.kind == TRIAL
        return f"{TRIAL} {self.origin.parents[0] if again else self.number}"


@dataclass(frozen=True)
class Rung:
    """A fidelity: `steps` of training; `level` counts rungs from 0, the cheapest."""

    level: Count
    steps: Count


@dataclass(frozen=True)
class Job:
    """A trial to be trained to a rung: what an estimator gets, and what a dying worker loses.

    `resume` is the rung of the same trial whose checkpoint the training goes on from; `None` begins
    with new weights.
    """

    trial: Trial
    rung: Rung
    resume: Rung | None = None

    @property
    def key(self) -> tuple[int, int]:
        """The number of the trial and the level of the rung, which no other job has."""
        return self.trial.number, self.rung.level

    @property
    def architecture(self) -> Architecture:
        return self.trial.architecture

    @property
    def seed(self) -> int:
        return self.trial.seed

    @property
    def steps(self) -> int:
        return self.rung.steps


Row = tuple[float | None, ...]
Metrics = Mapping[str, float | Row]
"""The scoring of a trained candidate, as its task has it: numbers by name, the main one first, and
rows of numbers, such as one for each class."""
Details = Mapping[str, Row]


def values_of(metrics: Metrics) -> dict[str, float]:
    """The single numbers by name, which an objective may read."""
    return {name: value for name, value in metrics.items() if isinstance(value, float)}


def details_of(metrics: Metrics) -> Details:
    """The rows of numbers by name."""
    return {name: row for name, row in metrics.items() if isinstance(row, tuple)}


@dataclass(frozen=True)
class Score:
    """A line of a training's log: the mean loss since the last score, and the selection images'
    values after `step`, the task's main one and after it the one that decides which weights are
    kept, if that is another. A line is flat: step, loss, and each value by its name."""

    step: Count
    loss: Finite | None
    values: Annotated[dict[str, Finite], Field(min_length=1)]

    @property
    def name(self) -> str:
        """The name of the main value."""
        return next(iter(self.values))

    @property
    def value(self) -> float:
        """The main value."""
        return self.values[self.name]

    @property
    def decided_by(self) -> str:
        """The name of the value by which weights are kept, the largest."""
        return next(reversed(self.values))

    @property
    def standing(self) -> float:
        """The value by which weights are kept."""
        return self.values[self.decided_by]

    @model_validator(mode="before")
    @classmethod
    def _of_line(cls, line: Any) -> Any:
        if not isinstance(line, dict):
            return line
        own = {name: line[name] for name in ("step", "loss") if name in line}
        others = {n: value for n, value in line.items() if n not in own and value is not None}
        return {**own, "values": others}

    @model_serializer
    def _to_line(self) -> dict[str, Any]:
        return {"step": self.step, "loss": self.loss, **self.values}


@dataclass(frozen=True)
class Measured:
    """A job that ended well, after `seconds` of work.

    `values` are single numbers that an objective may read, `details` rows of numbers for the
    report, as in `Metrics`.
    """

    job: Job
    values: dict[str, float]
    details: Details
    seconds: Amount

    @property
    def trial(self) -> Trial:
        return self.job.trial


class Reason(str, Enum):
    """Why a job has no result.

    Two are of the architecture, under the settings of its run: it diverges, or the device has too
    little memory for it. They stay. The others are of the machine or the program, and may pass.
    """

    NON_FINITE = "non-finite"
    OUT_OF_MEMORY = "out of memory"
    WORKER_LOST = "worker lost"
    ERROR = "error"

    @property
    def may_pass(self) -> bool:
        """Whether the job is run again when its run goes on."""
        return self in (Reason.WORKER_LOST, Reason.ERROR)


@dataclass(frozen=True)
class Failed:
    """A job that ended without a result; `error` is the sentence a person can act on."""

    job: Job
    reason: Reason
    error: str
    seconds: Amount = 0.0

    @property
    def trial(self) -> Trial:
        return self.job.trial


Outcome = Measured | Failed


def may_pass(outcome: Outcome) -> bool:
    """Whether a job ended by what may pass, and is run again when its run goes on."""
    return isinstance(outcome, Failed) and outcome.reason.may_pass
