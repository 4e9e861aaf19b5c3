"""A running or stopped search on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from atrous.core.trial import Failed
from atrous.search.ledger import Entry, scored
from atrous.search.run import Run


class SearchView:
    """A line for each ended trial, and below them trials done, best so far, rate, time left."""

    def __init__(self, total: int, limit: float | None, entries: Sequence[Entry]) -> None:
        self._console = Console(stderr=True)
        self._total, self._limit = total, limit
        self._entries = list(entries)
        self._resumed = len(self._entries)
        self._progress = Progress(
            TextColumn("{task.completed:.0f}/{task.total:.0f} trials"),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            console=self._console,
        )
        self._task = self._progress.add_task("", total=self._total, state="starting")

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Shows the view while the context lasts."""
        if self._resumed:
            self._console.print(f"{self._resumed} trials are done already")
        self._progress.update(self._task, completed=self._resumed)
        with self._progress:
            yield

    def watch(self, entry: Entry) -> None:
        """Shows one more ended trial."""
        self._entries.append(entry)
        self._console.print(_line(entry), soft_wrap=True, markup=False)
        state = describe_state(self._entries, self._total, self._limit)
        self._progress.update(self._task, completed=len(self._entries), state=state)


def describe_state(entries: Sequence[Entry], total: int, limit: float | None) -> str:
    """Best so far, rate and time left, in words."""
    if not entries:
        return "no trial has ended yet"
    elapsed = max(entry.elapsed for entry in entries)
    rate = len(entries) / max(elapsed, 1e-9)
    left = (total - len(entries)) / rate
    if limit is not None:
        left = min(left, max(0.0, limit - elapsed))
    best = max(scored(entries), default=None, key=lambda found: found.score)
    words = f"best {best.score:.4f} (trial {best.trial.number}), " if best else "no score yet, "
    return f"{words}{60 * rate:.1f} a minute, {_duration(left)} left"


def status(run: Run, entries: Sequence[Entry], running: bool) -> RenderableType:
    """The state of a run, as a table."""
    total = total_of(run)
    failed = [e for e in entries if isinstance(e.outcome, Failed)]
    table = Table(show_header=False, box=None)
    path = escape(str(run.path))
    table.add_row("run", path)
    table.add_row("state", state_of(run, entries, running))
    table.add_row("trials", f"{len(entries)} of {total} ended, {len(failed)} of them failed")
    table.add_row("progress", describe_state(entries, total, run.config.budget.seconds))
    elapsed = max((entry.elapsed for entry in entries), default=0.0)
    table.add_row("search time", _duration(elapsed))
    for entry in failed[-3:]:
        if isinstance(entry.outcome, Failed):
            table.add_row(
                f"trial {entry.trial.number}",
                escape(f"{entry.outcome.reason.value}: {entry.outcome.error}"),
            )
    return table


def total_of(run: Run) -> int:
    """How many trials a run is to have, baselines counted."""
    return run.config.budget.trials + len(run.config.baselines)


def state_of(run: Run, entries: Sequence[Entry], running: bool) -> str:
    """Running, complete, or stopped, and how to go on."""
    total, limit = total_of(run), run.config.budget.seconds
    again = f"atrous search --resume {escape(str(run.path))}"
    if running:
        return "running"
    if len(entries) >= total:
        return "complete"
    if limit is not None and max((entry.elapsed for entry in entries), default=0.0) >= limit:
        return f"complete: its {_duration(limit)} are over; for more: {again} --time ..."
    return f"stopped; go on with: {again}"


def _line(entry: Entry) -> str:
    trial, outcome = entry.trial, entry.outcome
    if isinstance(outcome, Failed):
        return f"trial {trial.number:>3}  failed, {outcome.reason.value}: {outcome.error}"
    return (
        f"trial {trial.number:>3}  {entry.score:.4f}  {outcome.seconds:5.1f} s  "
        f"{trial.origin}  {trial.architecture}"
    )


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
