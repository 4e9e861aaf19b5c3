"""How a job ends: with values, or with a failure that is told from a bug."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Protocol

from atrous.core.errors import in_a_line, lacks_memory
from atrous.core.trial import Details, Failed, Job, Measured, Outcome, Reason
from atrous.training.optimiser import NonFiniteError


class Measures(Protocol):
    """Values and rows of values by name, as `Metrics` are."""

    @property
    def values(self) -> dict[str, float]:
        """The single numbers, which an objective may read."""

    @property
    def details(self) -> Details:
        """The rows of numbers."""


def outcome_of(job: Job, measure: Callable[[Job], Measures]) -> Outcome:
    """Measures a job; divergence and a lack of memory come back as records, not exceptions."""
    start = time.monotonic()
    try:
        metrics = measure(job)
        require_finite(metrics.values)
        return Measured(job, metrics.values, metrics.details, time.monotonic() - start)
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
    advice = getattr(error, "advice", "Lower --batch, --filters or --workers.")
    return f"Not enough memory for this candidate ({in_a_line(error)}). {advice}"
