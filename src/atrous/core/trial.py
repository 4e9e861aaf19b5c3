"""The records that flow through a search, from a proposal to what was measured.

Trial(number, architecture, origin)  ->  Job(trial, rung)  ->  Measured | Failed
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from atrous.core.architecture import Architecture
from atrous.core.records import Amount, Count, Finite, Share

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


@dataclass(frozen=True)
class Metrics:
    """Scores of one trained candidate on the selection images.

    Shares are in [0, 1]. `class_iou` follows the data set's class order and holds `None` for a
    class that is in neither label nor prediction; `cross_entropy` is `None` where only the winning
    classes were counted; `branch_norms` is, per branch, the L1 norm of
    the weights that read the branch in the cell's projection, divided by their number.
    """

    miou: Share
    mean_accuracy: Share
    pixel_accuracy: Share
    weighted_iou: Share
    cross_entropy: Finite | None
    class_iou: tuple[Share | None, ...]
    branch_norms: tuple[Finite, ...] = ()

    @property
    def values(self) -> dict[str, float]:
        """The single numbers by name, which an objective may read."""
        return {name: value for name, value in vars(self).items() if isinstance(value, float)}

    @property
    def details(self) -> Details:
        """The rows of numbers by name."""
        return {"class_iou": self.class_iou, "branch_norms": self.branch_norms}


@dataclass(frozen=True)
class Score:
    """A line of a training's log: the mean loss since the last score, and the mIoU on the selection
    images after `step`; `score` is what decides which weights are kept, if that is not mIoU."""

    step: Count
    loss: Finite | None
    miou: Share
    score: Finite | None = None

    @property
    def standing(self) -> float:
        """The value by which weights are kept, the largest."""
        return self.miou if self.score is None else self.score


Details = Mapping[str, tuple[float | None, ...]]


@dataclass(frozen=True)
class Measured:
    """A job that ended well, after `seconds` of work.

    `values` are single numbers that an objective may read (`miou`, `cross_entropy`, ...); `details`
    are rows of numbers for the report (`class_iou`, `branch_norms`).
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
