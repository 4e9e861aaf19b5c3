"""What a layout is, and what reading a folder in it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from atrous.core.errors import AtrousError
from atrous.data.dataset import Dataset
from atrous.data.findings import Problem


@dataclass(frozen=True)
class Reading:
    """A data set, and what was seen to be wrong without opening an image.

    Where the train split has no sample, the first problem says why.
    """

    dataset: Dataset
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Layout:
    """A way in which data sets lie on disk.

    `looks_for` says what is looked for, as a tree. `find` gives the folder to read for a folder a
    user named (itself, or one in it), or None. `read` reads it, opens no image, and raises
    AtrousError where a part is missing.
    """

    name: str
    looks_for: str
    find: Callable[[Path], Path | None]
    read: Callable[[Path], Reading]


@dataclass(frozen=True)
class Part:
    """A folder or file a layout needs: any one of `paths`, which are relative; comes from `source`.

    `source` reads on from 'download': the archive and where it is to be had.
    """

    paths: tuple[str, ...]
    source: str


def require(layout: str, root: Path, parts: Sequence[Part]) -> None:
    """Raises AtrousError, with all that is missing, unless every part is there."""
    missing = [p for p in parts if not any((root / path).exists() for path in p.paths)]
    if missing:
        names = " and no ".join(" or ".join(part.paths) for part in missing)
        mends = "; ".join(
            f"download {part.source} and unpack it so that {root / part.paths[0]} exists"
            for part in missing
        )
        raise AtrousError(f"{root} looks like {layout}, but has no {names}. To mend: {mends}.")


def is_any(root: Path, *paths: str) -> bool:
    """Whether one of the folders is there."""
    return any((root / path).is_dir() for path in paths)
