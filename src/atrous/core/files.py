"""Files written whole or not at all, whatever is killed and wherever the power fails.

Whatever is written begins under a fresh hidden name beside its place, which is made exclusively, so
that no link is ever written through. It takes its place by a rename when it is on the disk, and the
folder is flushed after that. A name holds the machine and the process that write it: what a killed
one left is removed by the next writer of that folder.

Several files of a folder are replaced together or not at all: new ones are written to a fresh
folder inside. When all are on the disk, that folder is renamed, which is the one step that counts;
then each file is moved to its place. A reader looks for a file in the renamed folder first, so a
process killed between two moves harms nothing. Other files of the folder stay, and so does the
folder itself: it may be a mount point, or the folder that somebody's shell is in.

A lock file lets one process at a time write what it stands for.
"""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from filelock import FileLock, Timeout

from atrous.core.errors import AtrousError

PARTIAL, READY = ".atrous-partial", ".atrous-ready"
HOST = f"{zlib.crc32(platform.node().encode()):08x}"
"""This machine, in the names of what its processes write."""
STALE = 86_400
"""Seconds after which what a process of another machine was writing counts as left behind."""
POSIX = os.name == "posix"
MEND = "Make room, or name another folder with --out."
"""How a user goes on where a command cannot write, unless it knows better."""


def locate(folder: Path, name: str) -> Path:
    """Where the newest complete version of a file is."""
    moved = folder / READY / name
    return moved if _is_folder(folder / READY) and moved.exists() else folder / name


@contextmanager
def replacing(folder: Path, stale: Iterable[str]) -> Iterator[Path]:
    """Gives an empty folder to write new files to, which take their places when the block ends.

    Files named in `stale` that are not written again are deleted. After an error, also one raised
    in the block, everything is as it was. Raises OSError.
    """
    existed = folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    settle(folder)
    partial = _fresh(folder)
    try:
        partial.mkdir()
        yield partial
        _flush_all(partial)
        for name in stale:
            if not (partial / name).exists():
                (folder / name).unlink(missing_ok=True)
        partial.rename(folder / READY)
        flush(folder)
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
    if _is_folder(ready):
        for path in sorted(ready.iterdir()):
            path.replace(folder / path.name)
        ready.rmdir()
        flush(folder)


def write_whole(path: Path, text: str) -> None:
    """Writes a text file so that no reader sees half of it; raises OSError."""
    with whole(path) as partial:
        # Bytes of file names that are no characters become escapes, which JSON reads back.
        partial.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Gives an empty file beside `path` to write to, which takes its place when the block ends.

    After an error, also one raised in the block, everything is as it was. Where `path` is a link,
    the file takes the place of the link. Raises OSError.
    """
    partial = _fresh(path.parent)
    try:
        partial.touch(exist_ok=False)  # O_EXCL, which follows no link
        yield partial
        flush(partial)
        partial.replace(path)
        flush(path.parent)
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


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Gives an empty folder beside `path`, which takes its place when the block ends.

    After an error, also one raised in the block, it is removed. Raises OSError.
    """
    with scratch(path.parent) as partial:
        yield partial
        _flush_all(partial)
        partial.rename(path)
        flush(path.parent)


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Gives an empty folder inside a folder, which is removed when the block ends: for files that
    take their places by a rename. Raises OSError."""
    partial = _fresh(folder)
    try:
        partial.mkdir()
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def writing(what: str, mend: str = MEND) -> Iterator[None]:
    """Raises `AtrousError` in the place of an `OSError`.

    `what` says what is written, and where to; `mend` how the user can go on.
    """
    try:
        yield
    except OSError as error:
        raise AtrousError(f"Expected to write {what}, but {error}. {mend}") from error


ELSEWHERE = "Name a folder that can be written with --out."


def require_place(path: Path, what: str) -> None:
    """Raises `AtrousError` where no folder can be made that `what` is to go to: a file is there, or
    above, or a folder that may not be written."""
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        why = "cannot be written" if there.is_dir() else "is a file"
        raise AtrousError(f"Expected to write {what} to {path}, but {there} {why}. {ELSEWHERE}")


def make_folder(path: Path, what: str) -> None:
    """Makes the folder that `what` goes to, and those above it; raises `AtrousError`."""
    with writing(f"{what} to {path}", ELSEWHERE):
        path.mkdir(parents=True, exist_ok=True)


def save_text(path: Path, text: str) -> None:
    """Writes a text file of a run so that no reader sees half of it; raises `AtrousError`."""
    mend = "Make its folder writable and free some space, or copy the run to another disk."
    with writing(str(path), mend):
        write_whole(path, text)


def flush(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk; raises OSError."""
    if path.is_dir() and not POSIX:  # Windows keeps names by itself, and opens no folder
        return
    number = os.open(path, os.O_RDONLY if POSIX else os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _flush_all(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        flush(path)


def _is_folder(path: Path) -> bool:
    """Whether this is a folder itself, not a link to one."""
    return path.is_dir() and not path.is_symlink()


def _fresh(folder: Path) -> Path:
    """Returns a name in a folder that nobody has, once what killed processes left is removed."""
    _clear(folder)
    return folder / f"{PARTIAL}-{HOST}-{os.getpid()}-{secrets.token_hex(4)}"


@lru_cache(maxsize=4096)
def _clear(folder: Path) -> None:
    """Removes what killed processes were writing; once, since a folder may hold many files."""
    for path in folder.glob(f"{PARTIAL}*"):
        with suppress(OSError):
            if _is_stale(path) and _is_folder(path):
                shutil.rmtree(path)
            elif _is_stale(path):
                path.unlink()


def _is_stale(path: Path) -> bool:
    """Whether nobody goes on writing to a name that `_fresh` gave."""
    host, _, rest = path.name.removeprefix(f"{PARTIAL}-").partition("-")
    number = rest.partition("-")[0]
    if host != HOST or not number.isdecimal() or not POSIX:
        return time.time() - path.lstat().st_mtime > STALE
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # somebody else's process
        pass
    return False


PATIENCE = 2
"""Seconds for which a lock is asked for: `is_held` holds it for a moment."""


@contextmanager
def hold(path: Path, busy: str) -> Iterator[None]:
    """Holds the lock file at `path` while the context lasts.

    Raises `AtrousError`, saying `busy`, if another process holds it, and if it cannot be written.
    """
    if path.is_symlink():  # old versions of filelock would empty its target
        raise AtrousError(f"Expected a lock file at {path}, which is a link. Delete the link.")
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
    if path.is_symlink():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # nobody holds what cannot be written
        return False
    lock.release()
    return False
