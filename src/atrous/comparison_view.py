"""A comparison as tables on the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table

from atrous.comparison import Comparison, Interval, interval, paired, scores


def render(comparison: Comparison) -> RenderableType:
    """mIoU of each architecture on each split, and differences of the first to the others.

    In points of 100, with the 95 % confidence interval over seeds.
    """
    return Group(_means(comparison), "", _differences(comparison))


def _means(comparison: Comparison) -> Table:
    title = "mIoU over seeds, mean [95 % interval]"
    table = Table("architecture", *comparison.splits, title=title)
    for name, text in comparison.names.items():
        cells = (scores(comparison.readings, text, split).values() for split in comparison.splits)
        table.add_row(name, *(_words(interval(list(values))) for values in cells))
    return table


def _differences(comparison: Comparison) -> Table:
    table = Table("difference", *comparison.splits, title="paired over seeds")
    first, *others = comparison.names
    for other in others:
        one, two = comparison.names[first], comparison.names[other]
        found = (paired(comparison.readings, one, two, split) for split in comparison.splits)
        table.add_row(f"{first} - {other}", *(_words(difference) for difference in found))
    return table


def _words(found: Interval) -> str:
    return f"{100 * found.mean:.2f} [{100 * found.low:.2f}, {100 * found.high:.2f}]"
