"""Several files of a folder replaced together, or none of them.

New files are written to a hidden folder inside. When all are complete on the disk, that folder is
renamed, which is the one step that counts; then each file is moved to its place. A reader looks
for a file in the renamed folder first, so a process killed between two moves harms nothing. Other
files of the folder stay, and so does the folder itself: it may be a mount point, or the folder
that somebody's shell is in.

A lock file lets one process at a time write what it stands for.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from atrous.core.errors import AtrousError

PARTIAL, READY = ".atrous-partial", ".atrous-ready"


def locate(folder: Path, name: str) -> Path:
    """Where the newest complete version of a file is."""
    moved = folder / READY / name
    return moved if moved.exists() else folder / name


@contextmanager
def replacing(folder: Path, stale: Iterable[str]) -> Iterator[Path]:
    """Gives an empty folder to write new files to, which take their places when the block ends.

    Files named in `stale` that are not written again are deleted. After an error, also one raised
    in the block, everything is as it was. Raises OSError.
    """
    existed = folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    settle(folder)
    partial = folder / PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        yield partial
        _flush(partial)
        for name in stale:
            if not (partial / name).exists():
                (folder / name).unlink(missing_ok=True)
        partial.rename(folder / READY)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        if not existed:
            with suppress(OSError):  # somebody may have put something there
                folder.rmdir()
        raise
    settle(folder)


def settle(folder: Path) -> None:
    """Moves complete files to their places; raises OSError."""
    ready = folder / READY
    if ready.is_dir():
        for path in sorted(ready.iterdir()):
            path.replace(folder / path.name)
        ready.rmdir()


def write_whole(path: Path, text: str) -> None:
    """Writes a text file so that no reader sees half of it; raises OSError."""
    with whole(path) as partial:
        # Bytes of file names that are no characters become escapes, which JSON reads back.
        partial.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Gives a path beside `path` to write to, which takes its place when the block ends.

    After an error, also one raised in the block, everything is as it was. Raises OSError.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def openable(path: Path) -> Iterator[Path]:
    """Gives a path by which any library opens a file to read it.

    Some take names in Unicode alone, which a file name with other bytes is not.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        with path.open("rb") as file:
            yield Path(f"/dev/fd/{file.fileno()}")
    else:
        yield path


def save_text(path: Path, text: str) -> None:
    """Writes a text file of a run so that no reader sees half of it; raises `AtrousError`."""
    try:
        write_whole(path, text)
    except OSError as error:
        raise AtrousError(
            f"Expected to write {path}, but {error}. Make its folder writable and free some "
            "space, or copy the run to another disk."
        ) from error


def _flush(folder: Path) -> None:
    """Waits until the files are on the disk."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


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
