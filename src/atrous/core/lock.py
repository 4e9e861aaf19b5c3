"""Files that one process at a time may write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from atrous.core.errors import AtrousError

PATIENCE = 2
"""Seconds for which a lock is asked for: `is_held` holds it for a moment."""


@contextmanager
def hold(path: Path, busy: str) -> Iterator[None]:
    """Holds the lock file at `path` while the context lasts.

    Raises `AtrousError`, saying `busy`, if another process holds it, and if it cannot be written.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout as held:
        raise AtrousError(busy) from held
    except OSError as error:
        raise AtrousError(
            f"Expected to write to the folder {path.parent}, but {error}. Move it to where it can "
            "be written."
        ) from error
    try:
        yield
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether another process holds the lock file now."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # nobody holds what cannot be written
        return False
    lock.release()
    return False
