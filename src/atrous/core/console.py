"""Output of commands, and progress of long loops on the terminal's error stream."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

T = TypeVar("T")
output = Console(markup=False)
"""Where commands print their results."""


def track(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    """Yields the items unchanged and shows how many of `total` are done and the time left.

    Where the error stream is no terminal, a single line says what has begun.
    """
    with counted(label, total) as advance:
        for item in items:
            yield item
            advance()


@contextmanager
def counted(label: str, total: int, done: int = 0) -> Iterator[Callable[[], None]]:
    """Shows how many of `total` are done, as `track` does; yields what to call for each more."""
    console = Console(stderr=True)
    if not console.is_terminal:
        print(f"{label} ...", file=sys.stderr, flush=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=total, completed=done)
        yield lambda: progress.advance(task)


def note(text: str) -> None:
    """Tells what a user should know, on the error stream."""
    print(f"note: {text}", file=sys.stderr, flush=True)


def untracked(items: Iterable[T], label: str, total: int) -> Iterator[T]:  # noqa: ARG001
    """`track` for a loop that is known to be short, and shows nothing."""
    yield from items
