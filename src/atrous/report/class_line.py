"""The IoU of one class in several networks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClassLine:
    """The IoU of one class per column, in [0, 1]; `None` where the class did not appear, or was
    not measured."""

    name: str
    values: tuple[float | None, ...]

    @property
    def best(self) -> float | None:
        """The largest value, if there is one and it is not all alike."""
        known = [value for value in self.values if value is not None]
        return max(known) if known and max(known) > min(known) else None
