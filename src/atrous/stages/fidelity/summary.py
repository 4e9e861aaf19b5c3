"""A study as text and pictures in its folder, and on the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from atrous.core.config import CACHED, LARGE
from atrous.core.drawing import BLUE, INK, MUTED, ORANGE, draw
from atrous.core.files import save_text
from atrous.core.stage_config import FidelityConfig
from atrous.core.trial import Measured
from atrous.core.words import decimal, duration, interval, score_name, selection
from atrous.search.ledger import Entry
from atrous.stages.fidelity.result import Agreement, StudyResult, cell_name
from atrous.stages.fidelity.study import WHOLE
from atrous.tasks import USUAL

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def setting_words(name: str, large_backbone: str) -> str:
    """A setting as it is called on an axis."""
    if name == LARGE:
        return f"large backbone ({large_backbone})"
    return "small backbone, cached" if name == CACHED else "small backbone, end to end"


def training_words(settings: FidelityConfig, name: str) -> str:
    """How a setting trains its cells: `tf_efficientnet_lite0, frozen, 400 steps`."""
    backbone, _ = settings.backbone_of(name)
    how = "frozen, features cached" if settings.is_cached(name) else "end to end"
    return f"{backbone}, {how}, {settings.steps_of(name):,} steps"


WIDTH, HEIGHT = 430.0, 380.0
FRAME = (64.0, 46.0, 16.0, 52.0)
FONTS = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"
PAPER = "#ffffff"
VALUE = score_name(USUAL.value)


def scatter(found: Agreement, large_backbone: str) -> str:
    """The SVG file of scores under the first setting against those under the second.

    ASPP, the cell that holds all branches, and the best cell of each setting are named.
    """
    title = f"{len(found.cells)} cells: {found.pair.first} against {found.pair.second}"

    def paint(axes: Axes) -> None:
        whole = [name == WHOLE for name in found.cells]
        colours = [ORANGE if is_whole else BLUE for is_whole in whole]
        axes.scatter(found.first, found.second, s=26, c=colours, alpha=0.85, linewidths=0, zorder=3)
        axes.margins(0.08)
        axes.set_xlabel(f"{VALUE}, {setting_words(found.pair.first, large_backbone)}")
        axes.set_ylabel(f"{VALUE}, {setting_words(found.pair.second, large_backbone)}")
        _head(axes, found)
        _name_points(axes, found)

    return _standalone(
        draw(f"{found.pair.first}-{found.pair.second}", title, (WIDTH, HEIGHT), FRAME, paint)
    )


def _head(axes: Axes, found: Agreement) -> None:
    """The coefficients above the axes, the published one beside."""
    published = found.pair.published
    beside = "" if published is None else f"; published: {decimal(published, 2)}"
    lines = (
        (f"Spearman {interval(found.correlation.spearman)}{beside}", INK, 22),
        (f"Kendall {interval(found.correlation.kendall)}", MUTED, 6),
    )
    for text, colour, height in lines:
        axes.annotate(
            text,
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, height),
            textcoords="offset points",
            color=colour,
        )


def _name_points(axes: Axes, found: Agreement) -> None:
    """Names beside a few points, towards the middle of the picture so that they fit."""
    if not found.cells:
        return
    best = {int(np.argmax(found.first)), int(np.argmax(found.second))}
    named = {k: found.cells[k] for k in sorted(best)}
    named |= {k: "ASPP" for k, name in enumerate(found.cells) if name == WHOLE}
    middle = sum(axes.get_xlim()) / 2
    for place, name in named.items():
        left = found.first[place] > middle
        axes.annotate(
            name,
            (found.first[place], found.second[place]),
            xytext=(-7 if left else 7, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            color=ORANGE if name == "ASPP" else BLUE,
        )


def _standalone(element: str) -> str:
    """An element of a page as a file: its own fonts, colours and ground, for any viewer."""
    plain = re.sub(r"var\(--[a-z-]+, (#[0-9a-f]{6})\)", r"\1", element)
    head, rest = plain.split(">", 1)
    size = f'width="{WIDTH:g}" height="{HEIGHT:g}"'
    ground = f'<rect {size} fill="{PAPER}"/>'
    start = head.replace("<svg", f'<svg xmlns="http://www.w3.org/2000/svg" {size}', 1)
    return f'{start} font-family="{FONTS}">{ground}{rest}\n'


SUMMARY = "fidelity.md"
FEWEST = 3
"""A picture is drawn from so many cells on."""


def write_summary(result: StudyResult, folder: Path) -> Path:
    """Writes `fidelity.md` and a picture for each pair; gives the path of the first.

    Raises `AtrousError` if the folder cannot be written.
    """
    for found in result.agreements:
        if len(found.cells) >= FEWEST:
            picture = scatter(found, result.settings.backbone_of(LARGE)[0])
            save_text(folder / picture_name(found), picture)
    save_text(folder / SUMMARY, markdown(result))
    return folder / SUMMARY


def picture_name(found: Agreement) -> str:
    """The file of a pair's picture."""
    return f"{found.pair.first}-{found.pair.second}.svg"


def markdown(result: StudyResult) -> str:
    """The whole result in Markdown."""
    settings = result.settings
    parts = [
        "# How far to trust the proxy",
        _lead(result),
        "## Agreement",
        "Rank correlation over the cells, with 95 % bootstrap intervals; 1 is the same order, 0 is "
        "chance. Published: Spearman's rho of Chen et al. 2018, figure 3, on 31 other cells and on "
        "Cityscapes.",
        _agreements(result),
        *(_picture(found, settings.backbone_of(LARGE)[0]) for found in result.agreements),
        "## Cost",
        "Median seconds of training and scoring one cell, while as many cells at a time ran as the "
        "table says. The features that are cached are computed once, which is not counted.",
        _expenses(result),
        "## Scores",
        f"{VALUE} on the selection images. A cell is named by the branches of ASPP that it keeps; "
        "r6 is the 3x3 at rate 6.",
        _scores(result),
        *(["## Failed trials", *(f"- {line}" for line in result.failures)] * bool(result.failures)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _lead(result: StudyResult) -> str:
    settings = result.settings
    text = (
        f"{len(result.cells)} cells on {settings.data.path}, scored on "
        f"{selection(settings.data.select_on)}; {settings.proxy.filters} filters, output stride "
        f"{settings.output_stride}, seed {settings.seed}."
    )
    return f"{text} {result.missing} trials have not ended." if result.missing else text


def _agreements(result: StudyResult) -> str:
    rows = [
        (
            f"({found.pair.letter})" if found.pair.letter else "",
            f"{setting_words(found.pair.first, result.settings.backbone_of(LARGE)[0])} / "
            f"{setting_words(found.pair.second, result.settings.backbone_of(LARGE)[0])}",
            str(len(found.cells)),
            interval(found.correlation.spearman),
            "" if found.pair.published is None else decimal(found.pair.published, 2),
            interval(found.correlation.kendall),
        )
        for found in result.agreements
    ]
    return _table(("figure 3", "settings", "cells", "Spearman", "published", "Kendall"), rows)


def _picture(found: Agreement, large_backbone: str) -> str:
    if len(found.cells) < FEWEST:
        return ""
    names = (setting_words(name, large_backbone) for name in (found.pair.first, found.pair.second))
    return f"![{VALUE}: {' against '.join(names)}]({picture_name(found)})"


def _expenses(result: StudyResult) -> str:
    cheapest = next(iter(result.expenses.values()), None)
    rows = [
        (
            name,
            training_words(result.settings, name),
            f"{expense.seconds:.1f}",
            f"{expense.seconds / cheapest.seconds:.1f}" if cheapest else "",
            str(expense.workers),
            duration(expense.elapsed),
        )
        for name, expense in result.expenses.items()
    ]
    heads = ("setting", "training", "seconds a cell", "times", "cells at a time", "all cells")
    return _table(heads, rows)


def _scores(result: StudyResult) -> str:
    rows = [
        (name, f"`{cell}`", *(_score(scores.get(name)) for scores in result.scores.values()))
        for name, cell in result.cells.items()
    ]
    return _table(("cell", "architecture", *result.scores), rows)


def _score(value: float | None) -> str:
    return "" if value is None else decimal(value)


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = (heads, tuple("---" for _ in heads), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


class StudyView:
    """A line for each cell that has ended, and below them how many have."""

    def __init__(self, total: int) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            TextColumn("{task.completed:.0f}/{task.total:.0f} cells"),
            BarColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._total = total
        self._task = self._progress.add_task("", total=total)
        self._name = ""

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Shows the view while the context lasts."""
        with self._progress:
            yield

    def begin(self, name: str, done: int) -> None:
        """Shows that a setting begins, of which `done` cells have ended before."""
        self._name = name
        self._progress.reset(self._task, total=self._total, completed=done, description=name)

    def watch(self, entry: Entry) -> None:
        """Shows one more ended cell."""
        outcome = entry.outcome
        text = (
            f"{entry.score:.4f}  {outcome.seconds:7.1f} s"
            if isinstance(outcome, Measured)
            else f"failed, {outcome.reason.value}: {outcome.error}"
        )
        line = f"{self._name}  {text}  {cell_name(entry)}"
        self._console.print(line, soft_wrap=True, markup=False)
        self._progress.advance(self._task)


def render(result: StudyResult) -> RenderableType:
    """Scores, agreement and cost, as tables."""
    return Group(_scores_table(result), "", _agreements_table(result), "", _expenses_table(result))


def _scores_table(result: StudyResult) -> Table:
    table = Table("cell", title=f"{VALUE} on the selection images")
    for name in result.scores:
        table.add_column(name, justify="right")
    for cell in result.cells:
        found = (scores.get(cell) for scores in result.scores.values())
        table.add_row(cell, *("" if score is None else decimal(score) for score in found))
    return table


def _agreements_table(result: StudyResult) -> Table:
    title = "rank correlation [95 % interval]; paper: Chen et al. 2018, figure 3"
    table = Table("settings", "Spearman", "paper", "Kendall", title=title)
    for found in result.agreements:
        pair = found.pair
        letter = f"({pair.letter}) " if pair.letter else ""
        table.add_row(
            f"{letter}{pair.first}, {pair.second}",
            interval(found.correlation.spearman),
            "" if pair.published is None else decimal(pair.published, 2),
            interval(found.correlation.kendall),
        )
    return table


def _expenses_table(result: StudyResult) -> Table:
    table = Table("setting", title="cost")
    for head in ("seconds a cell", "times", "cells at a time"):
        table.add_column(head, justify="right")
    cheapest = next(iter(result.expenses.values()), None)
    for name, expense in result.expenses.items():
        times = expense.seconds / cheapest.seconds if cheapest else 1.0
        table.add_row(name, f"{expense.seconds:.1f}", f"{times:.1f}", str(expense.workers))
    return table
