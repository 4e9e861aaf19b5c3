"""Latencies as the records that latency.json keeps."""

from __future__ import annotations

from dataclasses import dataclass

from atrous.data.canvas import Size


@dataclass(frozen=True)
class Latency:
    """A latency with all it depends on, as a record.

    `milliseconds` are those of each timed pass, in order; `warm_up` counts the passes before them.
    Between the quartiles lies the middle half of the passes; the range is from the fastest to the
    slowest. The conditions are those of `LatencyConditions`.
    """

    runtime: str
    version: str
    size: Size
    batch: int
    device: str
    device_name: str
    threads: int
    precision: str
    warm_up: int
    median_ms: float
    quartiles_ms: tuple[float, float]
    range_ms: tuple[float, float]
    milliseconds: tuple[float, ...]
