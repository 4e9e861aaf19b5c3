"""A study on the terminal: while it runs, and what it found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from atrous.core.trial import Measured
from atrous.core.words import decimal, interval
from atrous.search.ledger import Entry
from atrous.stages.fidelity.result import Result, cell_name


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
            f"{outcome.values['miou']:.4f}  {outcome.seconds:7.1f} s"
            if isinstance(outcome, Measured)
            else f"failed, {outcome.reason.value}: {outcome.error}"
        )
        line = f"{self._name}  {text}  {cell_name(entry)}"
        self._console.print(line, soft_wrap=True, markup=False)
        self._progress.advance(self._task)


def render(result: Result) -> RenderableType:
    """Scores, agreement and cost, as tables."""
    return Group(_scores(result), "", _agreements(result), "", _expenses(result))


def _scores(result: Result) -> Table:
    table = Table("cell", title="mIoU on the selection images")
    for name in result.scores:
        table.add_column(name, justify="right")
    for cell in result.cells:
        found = (scores.get(cell) for scores in result.scores.values())
        table.add_row(cell, *("" if score is None else decimal(score) for score in found))
    return table


def _agreements(result: Result) -> Table:
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


def _expenses(result: Result) -> Table:
    table = Table("setting", title="cost")
    for head in ("seconds a cell", "times", "cells at a time"):
        table.add_column(head, justify="right")
    cheapest = next(iter(result.expenses.values()), None)
    for name, expense in result.expenses.items():
        times = expense.seconds / cheapest.seconds if cheapest else 1.0
        table.add_row(name, f"{expense.seconds:.1f}", f"{times:.1f}", str(expense.workers))
    return table
