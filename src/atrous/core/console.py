"""Output of commands, and progress of long loops on the terminal's error stream.

No text ends a run: where a stream cannot hold a character, another stands in its place.
"""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

T = TypeVar("T")
output = Console(markup=False, emoji=False)
"""Where commands print their results. Brackets and colons stand for themselves."""


def forgive() -> None:
    """Lets both streams take any text.

    An encoding of Unicode lacks nothing but the bytes of file names that are no characters, which
    are told by number; another puts question marks where it lacks characters.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            whole = stream.encoding.lower().startswith("utf")
            stream.reconfigure(errors="backslashreplace" if whole else "replace")


def say(text: str) -> None:
    """Prints a text as it is: no line of it is broken, so that a command in it can be pasted."""
    output.print(text, soft_wrap=True, highlight=False)


@contextmanager
def stoppable(told: Callable[[], str]) -> Iterator[None]:
    """Says how far it came, and how to go on, when a user interrupts what is done in the block."""
    try:
        yield
    except KeyboardInterrupt:
        say(told())
        raise


def shell(text: object) -> str:
    """Quotes a text for a shell.

    Bytes of file names that are no characters, and characters that cannot be seen, are spelt by
    number, so that the text survives terminals and pages.
    """
    words = str(text)
    if words.isprintable():
        return shlex.quote(words)
    return f"$'{''.join(map(_spelt, words))}'"


def _spelt(character: str) -> str:
    """Returns a character as it stands within $'...'."""
    if character in "'\\":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def command(*words: object) -> str:
    """Returns a command of this program that can be pasted into a shell."""
    return " ".join(("atrous", *map(shell, words)))


def track(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    """Yields the items unchanged and shows how many of `total` are done and the time left.

    Where the error stream is no terminal, a single line says what has begun.
    """
    with counting(label, total) as advance:
        for item in items:
            yield item
            advance()


@contextmanager
def counting(label: str, total: int, done: int = 0) -> Iterator[Callable[[], None]]:
    """Shows how many of `total` are done, as `track` does; yields what to call for each more."""
    console = Console(stderr=True)
    if not console.is_terminal:
        print(f"{label} ...", file=sys.stderr, flush=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=total, completed=done)
        yield lambda: progress.advance(task)


@contextmanager
def quiet(logger: str) -> Iterator[None]:
    """Holds back the warnings of a library's log."""
    log = logging.getLogger(logger)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def note(text: str) -> None:
    """Tells what a user should know, on the error stream."""
    print(f"note: {text}", file=sys.stderr, flush=True)


def untracked(items: Iterable[T], label: str, total: int) -> Iterator[T]:  # noqa: ARG001
    """`track` for a loop that is known to be short, and shows nothing."""
    yield from items
