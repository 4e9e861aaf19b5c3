"""A comparison as tables on the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from atrous.core.statistics import Interval, mean_interval
from atrous.stages.compare import Comparison, paired, scores


def render(comparison: Comparison) -> RenderableType:
    """mIoU of each architecture on each split, differences of the first to the others, and what
    was left out.

    In points of 100, with the 95 % confidence interval over seeds.
    """
    parts: list[RenderableType] = [_means(comparison), "", _differences(comparison)]
    if comparison.left_out:
        parts += ["", *_left_out(comparison)]
    return Group(*parts)


def _means(comparison: Comparison) -> Table:
    title = "mIoU over seeds, mean [95 % interval]"
    table = Table("architecture", "seeds", *comparison.splits, title=title)
    for name, text in comparison.names.items():
        values = (scores(comparison.readings, text, split).values() for split in comparison.splits)
        _add(table, name, [mean_interval(list(each)) for each in values], comparison.seeds)
    return table


def _differences(comparison: Comparison) -> Table:
    table = Table("difference", "seeds", *comparison.splits, title="paired over seeds")
    first, *others = comparison.names
    for other in others:
        one, two = comparison.names[first], comparison.names[other]
        found = [paired(comparison.readings, one, two, split) for split in comparison.splits]
        _add(table, f"{first} - {other}", found, comparison.seeds)
    return table


def _add(table: Table, name: str, found: list[Interval], seeds: int) -> None:
    count = min(each.count for each in found)
    share = str(seeds) if count == seeds else f"{count} of {seeds}"
    table.add_row(Text(name), share, *map(_words, found))


def _words(found: Interval) -> str:
    if found.count < 2:
        return f"{100 * found.mean:.2f}" if found.count else "none"
    return f"{100 * found.mean:.2f} [{100 * found.low:.2f}, {100 * found.high:.2f}]"


def _left_out(comparison: Comparison) -> list[Text]:
    lines = [Text("Left out, and tried again when you ask again:")]
    for failed in comparison.left_out:
        trial = failed.trial
        names = (n for n, text in comparison.names.items() if text == str(trial.architecture))
        where = f"{' = '.join(names)} with seed {trial.seed}"
        lines.append(Text(f"{where}, {failed.reason.value}: {failed.error}"))
    return lines
