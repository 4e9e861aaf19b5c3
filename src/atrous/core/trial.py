"""The records that flow through a search. The `Trial` is the only thing any two parts share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from atrous.core.architecture import Architecture


@dataclass(frozen=True)
class Trial:
    """One architecture to be measured.

    `number` counts trials from 0 within a run. `origin` says who proposed it: `uniform`, `near 12`
    (a mutation of trial 12's architecture), or `baseline dpc:aspp`. `steps` is the number of
    training steps it is given, its fidelity. `seed` fixes initial weights and batches.
    """

    number: int
    architecture: Architecture
    origin: str
    steps: int
    seed: int

    @property
    def is_baseline(self) -> bool:
        return self.origin.startswith("baseline ")

    @property
    def is_uniform(self) -> bool:
        return self.origin == "uniform"


@dataclass(frozen=True)
class Metrics:
    """What one trained candidate does on the selection images.

    Shares are in [0, 1]. `class_iou` follows the data set's class order and holds `None` for a
    class that is in neither label nor prediction; `cross_entropy` is `None` where only the winning
    classes were counted; `branch_norms` is, per branch, the L1 norm of
    the weights that read the branch in the cell's projection, divided by their number.
    """

    miou: float
    mean_accuracy: float
    pixel_accuracy: float
    weighted_iou: float
    cross_entropy: float | None
    class_iou: tuple[float | None, ...]
    branch_norms: tuple[float, ...] = ()

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Metrics:
        """The record from its fields, where JSON has made lists of tuples."""
        tuples = {k: tuple(v) for k, v in fields.items() if isinstance(v, list)}
        return cls(**(fields | tuples))


@dataclass(frozen=True)
class Measured:
    """A trial that ended with a score, larger being better, after `seconds` of work."""

    trial: Trial
    score: float
    metrics: Metrics
    seconds: float


class Reason(str, Enum):
    """Why a trial has no score."""

    NON_FINITE = "non-finite"
    OUT_OF_MEMORY = "out of memory"
    WORKER_LOST = "worker lost"
    ERROR = "error"


@dataclass(frozen=True)
class Failed:
    """A trial that ended without a score; `error` is the sentence a person can act on."""

    trial: Trial
    reason: Reason
    error: str
    seconds: float = 0.0


Outcome = Measured | Failed
