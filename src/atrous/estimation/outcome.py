"""How a job ends: with values, or with a failure that is told from a bug."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from atrous.core.errors import NoRoomError, in_a_line, lacks_memory
from atrous.core.trial import (
    Failed,
    Job,
    Measured,
    Metrics,
    Outcome,
    Reason,
    details_of,
    values_of,
)
from atrous.training.optimiser import NonFiniteError


@dataclass(frozen=True)
class Rungs:
    """Where trials keep their state from one rung to the next, until the highest, `top`.

    What a job goes on from stays until its result is recorded, so that a job whose worker or driver
    was lost begins again from the same state. Nothing depends on it: where it is gone, the trial is
    trained from its first step, to the same result.
    """

    folder: Path
    top: int = 0

    def place(self, job: Job, level: int) -> Path:
        """Where a trial keeps its state on a rung."""
        return self.folder / (f"{job.trial.number}-{level}" if self.top else f"{job.trial.number}")

    def begins(self, job: Job, name: str = "") -> Path | None:
        """The state that a job goes on from, or a file in it; `None` if it begins anew."""
        path = self.place(job, job.resume.level) / name if job.resume else None
        return path if path and path.exists() else None

    def clear(self, job: Job, outcome: Outcome) -> None:
        """Removes the state of a trial that will not be trained on."""
        if job.rung.level == self.top or isinstance(outcome, Failed):
            shutil.rmtree(self.place(job, job.rung.level), ignore_errors=True)

    def leave(self, job: Job) -> None:
        """Removes what a job went on from, once its outcome is recorded."""
        if job.resume:
            shutil.rmtree(self.place(job, job.resume.level), ignore_errors=True)


def outcome_of(job: Job, measure: Callable[[Job], Metrics]) -> Outcome:
    """Measures a job; divergence and a lack of memory come back as records, not exceptions."""
    start = time.monotonic()
    try:
        metrics = measure(job)
        values = values_of(metrics)
        require_finite(values)
        return Measured(job, values, details_of(metrics), time.monotonic() - start)
    except NonFiniteError as error:
        reason, text = Reason.NON_FINITE, f"Training diverged: {error}. Lower --rate."
    except Exception as error:
        if not lacks_memory(error):
            raise
        reason, text = Reason.OUT_OF_MEMORY, _out_of_memory(error)
    return Failed(job, reason, text, time.monotonic() - start)


def require_finite(values: Mapping[str, float], where: str = "the selection images") -> None:
    """Raises `NonFiniteError` that names a value which is no number, and the images it is of."""
    for name, value in values.items():
        if not isfinite(value):
            raise NonFiniteError(f"the {name.replace('_', '-')} on {where} is {value}")


def _out_of_memory(error: BaseException) -> str:
    if isinstance(error, NoRoomError):
        return str(error)
    advice = getattr(error, "advice", "Lower --batch, --filters or --workers.")
    return f"Not enough memory for this candidate ({in_a_line(error)}). {advice}"
