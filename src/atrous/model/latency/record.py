"""Latencies as the records that latency.json keeps, and as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

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


def render(latencies: Sequence[Latency]) -> RenderableType:
    """Milliseconds of each runtime: the median, the quartiles, the fastest and the slowest."""
    first = latencies[0]
    height, width = first.size
    head = (
        f"one pass, from {first.batch} x 3 x {height} x {width} normalised pixels to class "
        f"scores of each, {first.precision}, {first.threads} CPU thread"
        f"{'' if first.threads == 1 else 's'}\non {first.device}: {first.device_name}"
    )
    table = Table()
    table.add_column("runtime", no_wrap=True)
    for name in ("median ms", "quartiles ms", "range ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in latencies:
        table.add_row(
            f"{each.runtime} {each.version}",
            f"{each.median_ms:.2f}",
            "{:.2f} - {:.2f}".format(*each.quartiles_ms),
            "{:.2f} - {:.2f}".format(*each.range_ms),
        )
    warm = " and ".join(str(each.warm_up) for each in latencies)
    passes = f"{len(latencies[0].milliseconds)} passes, after {warm} to warm up"
    return Group(Text(head), table, Text(passes + (", in turns" if len(latencies) > 1 else "")))
