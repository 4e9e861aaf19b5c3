"""Which images are meant by the files and folders that a user names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from atrous.core.errors import AtrousError
from atrous.data.layouts.folder import SUFFIXES


@dataclass(frozen=True)
class Input:
    """An image file. What is written about it is called `name`, which has no suffix: the file's
    own name, below the folders between it and the folder that the user named."""

    name: str
    path: Path


def find_images(named: Sequence[Path], out: Path) -> tuple[Input, ...]:
    """The files named, whatever their suffix is, and the images in and below the folders named.

    Of a folder, files with one of `SUFFIXES` are images, hidden ones excepted, and so are files
    below `out`, which may lie within it. A file named twice is taken once.

    Raises AtrousError for a path that does not exist, a folder without images, and two images
    whose results would have the same name.
    """
    found: dict[str, Input] = {}
    for path in named:
        for image in _images(path, out):
            other = found.setdefault(image.name.casefold(), image)
            if other.path.resolve() != image.path.resolve():
                raise AtrousError(
                    f"{other.path} and {image.path} would both be written as {image.name}.png. "
                    "To mend: rename one, or give each an --out of its own."
                )
    return tuple(found.values())


def _images(path: Path, out: Path) -> Iterator[Input]:
    if path.is_dir():
        below = tuple(_below(path, out.resolve()))
        if not below:
            raise AtrousError(
                f"Expected images in {path}, but no file in it or below it ends in "
                f"{', '.join(sorted(SUFFIXES))}. Name the files themselves to read others."
            )
        yield from below
    elif path.is_file():
        yield Input(path.stem, path)
    else:
        raise AtrousError(f"Expected an image or a folder of images, but {path} does not exist.")


def _below(folder: Path, out: Path) -> Iterator[Input]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.suffix.lower() not in SUFFIXES or hidden or not path.is_file():
            continue
        if out not in path.resolve().parents:
            yield Input(inside.with_suffix("").as_posix(), path)
