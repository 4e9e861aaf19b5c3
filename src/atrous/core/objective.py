"""Functions from measured values to the number that is maximised; `OBJECTIVES` is the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

from atrous.core.errors import AtrousError

Objective = Callable[[Mapping[str, float]], float]
"""Larger is better. Raises `KeyError` for a value that the estimator does not measure."""


def on_split(name: str, split: str) -> str:
    """The name of a value that is measured on one of several splits."""
    return f"{split} {name}"


@dataclass(frozen=True)
class Value:
    """A value as it was measured, times `sign`: -1 for what is to be small."""

    name: str
    sign: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        """The values that are read."""
        return (self.name,)

    def __call__(self, values: Mapping[str, float]) -> float:
        """See `Objective`."""
        return self.sign * values[self.name]


@dataclass(frozen=True)
class Mean:
    """The geometric mean of several values."""

    names: tuple[str, ...]

    def __call__(self, values: Mapping[str, float]) -> float:
        """See `Objective`."""
        return float(prod(values[name] for name in self.names) ** (1 / len(self.names)))


MIOU = "miou"

OBJECTIVES: Mapping[str, Value | Mean] = {
    MIOU: Value("miou"),
    "blend": Mean(("miou", "mean_accuracy", "weighted_iou")),
    "cross-entropy": Value("cross_entropy", -1),
}

END_TO_END = ("miou", "mean_accuracy", "pixel_accuracy", "weighted_iou")
"""The values that networks trained on images are measured by: their winning classes are counted."""
ON_FEATURES = (*END_TO_END, "cross_entropy")
"""The values that parts trained on cached features are measured by."""


def objectives_of(measured: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the names of the objectives that read nothing but these values."""
    return tuple(name for name, each in OBJECTIVES.items() if {*each.names} <= {*measured})


def end_to_end(name: str) -> str:
    """The objective of networks that are trained on images, after a search that had this one: the
    same if it is measured there, else mIoU."""
    return name if name in objectives_of(END_TO_END) else MIOU


def find_objective(name: str) -> Value | Mean:
    """The objective of this name; raises `AtrousError`."""
    if name not in OBJECTIVES:
        raise AtrousError(f"--score is one of {', '.join(OBJECTIVES)}, got {name!r}.")
    return OBJECTIVES[name]
