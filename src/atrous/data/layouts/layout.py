"""The record of a layout on disk, and of the content that reading a folder in it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from atrous.core.errors import AtrousError
from atrous.data.checks.findings import Problem
from atrous.data.dataset import Dataset
from atrous.data.palette import Colour


@dataclass(frozen=True)
class LayoutContent:
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
    read: Callable[[Path], LayoutContent]


@dataclass(frozen=True)
class Needed:
    """A folder or file a layout needs: any one of `paths`, which are relative; comes from `source`.

    `source` reads on from 'download': the archive and where it is to be had.
    """

    paths: tuple[str, ...]
    source: str


def require(layout: str, root: Path, parts: Sequence[Needed]) -> None:
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


def read_lines(path: Path) -> list[str]:
    """The lines without blanks around them; blank lines at the end are dropped."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise AtrousError(
            f"{path} is not UTF-8 text ({error}). To mend: save it as UTF-8."
        ) from None
    return [line.strip() for line in text.rstrip().splitlines()]


def read_names(path: Path) -> list[str]:
    """The image names of a split's list, sorted, each once.

    A line is a name (`2007_000032`) or an image's and a mask's path (`/JPEGImages/2007_000032.jpg
    /SegmentationClassAug/2007_000032.png`), of which the name of the image is taken.
    """
    first = (line.split()[0] for line in read_lines(path) if line)
    return sorted({PurePosixPath(word).name.removesuffix(".jpg") for word in first})


class ClassRow(NamedTuple):
    """A class: the number that stands for it on disk, its colour and its name."""

    id: int
    colour: Colour
    name: str


def parse(text: str) -> tuple[ClassRow, ...]:
    """The rows of lines `ID RED GREEN BLUE NAME`, where the name may hold spaces."""
    rows = []
    for line in text.strip().splitlines():
        number, red, green, blue, name = line.split(maxsplit=4)
        rows.append(ClassRow(int(number), (int(red), int(green), int(blue)), name))
    return tuple(rows)


def published(name: str) -> str:
    """Returns a table of this package, NAME.txt beside this file."""
    return (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf-8")


def published_rows(name: str) -> tuple[ClassRow, ...]:
    """Returns the classes of such a table."""
    return parse(published(name))


def lookup(ids: dict[int, int], ignored: int, unknown: int) -> bytes:
    """256 class ids by value: `ids`, 255 becomes `ignored`, all that is not named `unknown`."""
    table = bytearray([unknown] * 256)
    table[255] = ignored
    for value, label in ids.items():
        table[value] = label
    return bytes(table)
