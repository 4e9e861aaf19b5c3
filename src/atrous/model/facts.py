"""Facts of a model as the records that its files keep: how it was trained, how fast it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator

from atrous.core.records import Amount, Count, Device, Finite, Positive, Threads, from_json
from atrous.core.words import two_digits
from atrous.data.canvas import Size

SELECTED, SELECTION_FINGERPRINT = "selection_", "selection_fingerprint"
Extent = tuple[Positive, Positive]
BUSY = 0.25
"""Passes of an idle machine have quartiles that are closer than this share of the median."""


@dataclass(frozen=True)
class Latency:
    """A latency with all it depends on, as a record.

    `milliseconds` are those of each timed pass, in order; `warm_up` counts the passes before them.
    Between the quartiles lies the middle half of the passes; the range is from the fastest to the
    slowest. The conditions are those of `LatencyConditions`.
    """

    runtime: str
    version: str
    size: Extent
    batch: Positive
    device: Device
    device_name: str
    threads: Threads
    precision: str
    warm_up: Count
    median_ms: Amount
    quartiles_ms: tuple[Amount, Amount]
    range_ms: tuple[Amount, Amount]
    milliseconds: tuple[Amount, ...]

    @property
    def is_busy(self) -> bool:
        """Whether the passes are so far apart that something else was computed meanwhile."""
        low, high = self.quartiles_ms
        return high - low > BUSY * self.median_ms

    @property
    def spread(self) -> str:
        """The median with its quartiles in two digits."""
        median, low, high = map(two_digits, (self.median_ms, *self.quartiles_ms))
        return f"{median} ms [{low}, {high}]"

    @property
    def words(self) -> str:
        """The same with a word where the machine was busy."""
        return f"{self.spread}{', busy machine' if self.is_busy else ''}"


@dataclass(frozen=True)
class HowTrained:
    """The fields of a training record that this program reads; it may lack any, and have others.

    `crop` is (height, width) in pixels, or one side of a square.
    """

    name: str | None = None
    data: str | None = None
    data_licence: str | None = None
    data_fingerprint: str | None = None
    licence: str | None = None
    device: str | None = None
    select_on: str | None = None
    images: Count | None = None
    steps: Count | None = None
    batch: Count | None = None
    crop: Extent | Positive | None = None
    rate: Amount | None = None
    seed: Count | None = None
    backbone_weights: str | None = None
    parameters: Count | None = None
    multiply_adds: Count | None = None


def how_trained(record: Mapping[str, Any]) -> HowTrained:
    """Returns what a training record tells; raises `RecordError`."""
    return from_json(HowTrained, dict(record), some=True)


def crop_of(record: Mapping[str, Any]) -> Size | None:
    """Returns the crop (height, width) that a training record tells, if it does."""
    crop = how_trained(record).crop
    return (crop, crop) if isinstance(crop, int) else crop


def _checked(record: dict[str, Any]) -> dict[str, Any]:
    how_trained(record)
    # The value on the selection images is called after the task's main one: selection_miou.
    values = {name: value for name, value in record.items() if name.startswith(SELECTED)}
    values.pop(SELECTION_FINGERPRINT, None)
    from_json(dict[str, Finite | None], values)
    return record


TrainingRecord = Annotated[dict[str, Any], AfterValidator(_checked)]
"""How a model was trained, in JSON's types."""
