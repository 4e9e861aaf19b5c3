"""How a job ends: with values, or with a failure that is told from a bug."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from math import isfinite

import torch

from atrous.core.trial import Failed, Job, Measured, Metrics, Outcome, Reason
from atrous.training.optimiser import NonFiniteError


def outcome_of(job: Job, measure: Callable[[Job], Metrics]) -> Outcome:
    """Measures a job; divergence and a lack of memory come back as records, not exceptions."""
    start = time.monotonic()
    try:
        metrics = measure(job)
        _require_finite(metrics.values)
        return Measured(job, metrics.values, metrics.details, time.monotonic() - start)
    except NonFiniteError as error:
        reason, text = Reason.NON_FINITE, f"Training diverged: {error}. Lower --rate."
    except (RuntimeError, MemoryError) as error:
        if not _is_lack_of_memory(error):
            raise
        reason, text = Reason.OUT_OF_MEMORY, _out_of_memory(error)
    return Failed(job, reason, text, time.monotonic() - start)


def _require_finite(values: Mapping[str, float]) -> None:
    for name, value in values.items():
        if not isfinite(value):
            raise NonFiniteError(f"the {name.replace('_', '-')} on the selection images is {value}")


def _is_lack_of_memory(error: BaseException | None) -> bool:
    """Whether this error, or one it was raised in the handling of, tells of lacking memory."""
    if error is None:
        return False
    told = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return told or "can't allocate memory" in str(error) or _is_lack_of_memory(error.__context__)


def _out_of_memory(error: BaseException) -> str:
    why = (str(error).splitlines() or ["no details"])[0]
    advice = getattr(error, "advice", "Lower --batch, --filters or --workers.")
    return f"Not enough memory for this candidate ({why}). {advice}"
