"""Errors a user can act on, and one detector of lacking memory for all that computes."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class AtrousError(Exception):
    """Something the user can mend.

    The message says what was expected, what came, where, and how to mend it; the command line
    prints it without a traceback. Of several messages, each is of a fault of its own.
    """

    def __str__(self) -> str:
        return " ".join(map(str, self.args))


class InvalidError(AtrousError, ValueError):
    """A record whose values do not go together, told in the words of whoever asked for them."""


class NoRoomError(AtrousError, MemoryError):
    """A lack of memory that is foreseen."""


def faults(*checks: Callable[[], object]) -> list[str]:
    """Returns what each of the checks that fail says: none is kept back for another's sake."""
    told: list[str] = []
    for check in checks:
        try:
            check()
        except AtrousError as error:
            told += error.args
    return list(dict.fromkeys(told))


def require_all(*checks: Callable[[], object]) -> None:
    """Carries out all checks; raises `AtrousError` with everything that they say."""
    if told := faults(*checks):
        raise AtrousError(*told)


TOLD = (
    "can't allocate memory",
    "not enough memory",
    "bad_alloc",
    "ALLOC_FAILED",
    "CUDA error: out of memory",
    "Failed to allocate memory",
)
"""Words of torch's and onnxruntime's allocators, of the C++ library, and of cuBLAS and cuDNN."""


def lacks_memory(error: BaseException | None) -> bool:
    """Returns whether an error, or one that it was raised in the handling of, tells of lacking
    memory, that of a CPU or of an accelerator. torch's own error is known by its name: this room
    does without torch."""
    if error is None or (isinstance(error, AtrousError) and not isinstance(error, NoRoomError)):
        return False
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        told = error.errno == errno.ENOMEM
    else:
        told = any(words in str(error) for words in TOLD)
    return told or lacks_memory(error.__context__)


def in_a_line(error: BaseException) -> str:
    """Returns the first line of what an error says."""
    return (str(error).splitlines() or ["no details"])[0]


def kind_and_line(error: BaseException) -> str:
    """Returns the type of an error that another library raised, and the first line of it."""
    return f"{type(error).__name__}: {in_a_line(error)}"[:200]


@contextmanager
def within_memory(where: str, mend: str) -> Iterator[None]:
    """Raises `AtrousError` in the place of an error that tells of lacking memory.

    `where` says which memory, and for what; `mend` how to need less, unless the error brings an
    `advice` of its own.
    """
    try:
        yield
    except Exception as error:
        if not lacks_memory(error) or isinstance(error, AtrousError):
            raise
        advice = getattr(error, "advice", mend)
        raise AtrousError(f"Not enough memory {where} ({in_a_line(error)}). {advice}") from error
