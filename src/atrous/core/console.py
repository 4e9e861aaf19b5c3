"""Output of commands, and progress of long loops on the terminal's error stream."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
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
    console = Console(stderr=True)
    if not console.is_terminal:
        print(f"{label} ...", file=sys.stderr, flush=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=total)
        for item in items:
            yield item
            progress.advance(task)


def note(text: str) -> None:
    """Tells what a user should know, on the error stream."""
    print(f"note: {text}", file=sys.stderr, flush=True)


def untracked(items: Iterable[T], label: str, total: int) -> Iterator[T]:  # noqa: ARG001
    """`track` for a loop that is known to be short, and shows nothing."""
    yield from items
