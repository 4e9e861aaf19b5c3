"""What is written about an image: its classes as numbers, as colours, and laid over the image.

H x W are pixels, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from atrous.core.errors import AtrousError
from atrous.data.palette import Colour
from atrous.data.pixels import Pixels

OPACITY = 0.5
"""How much of an overlay is the class's colour."""
LONGEST = 65500
"""Pixels a side that a JPEG file holds."""
_STRIP = 256

Draw = Callable[[Pixels, Pixels, Sequence[Colour]], Image.Image]
"""(image H x W x 3, class ids H x W, the classes' colours) -> what is written."""


@dataclass(frozen=True)
class Writer:
    """`place` is a file in the output folder, with `{}` for the image's name."""

    place: str
    draw: Draw

    def path(self, out: Path, name: str) -> Path:
        """Where this writer's file about the image of that name belongs."""
        return out / self.place.replace("{}", name)

    def write(self, path: Path, image: Pixels, ids: Pixels, colours: Sequence[Colour]) -> None:
        """Writes the file whole or not at all; raises AtrousError."""
        picture = self.draw(image, ids, colours)
        options: dict[str, Any] = {"quality": 90} if path.suffix == ".jpg" else {}
        partial = path.with_name(f"{path.name}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                picture.save(partial, "JPEG" if options else "PNG", **options)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
        except OSError as error:
            raise AtrousError(
                f"Expected to write {path}, but {error}. Make room, or name another folder with "
                "--out; the same command then goes on."
            ) from error


def class_ids(_image: Pixels, ids: Pixels, _colours: Sequence[Colour]) -> Image.Image:
    """8-bit grey; a pixel's value is its class id."""
    return Image.fromarray(ids)


def class_colours(_image: Pixels, ids: Pixels, colours: Sequence[Colour]) -> Image.Image:
    """A palette image in the classes' colours, whose indices are the class ids as well."""
    picture = Image.fromarray(ids)
    picture.putpalette([channel for colour in colours for channel in colour])
    return picture


def overlay(image: Pixels, ids: Pixels, colours: Sequence[Colour]) -> Image.Image:
    """The image with each class's colour laid over it."""
    table = np.asarray(colours, dtype=np.float32) * OPACITY
    height, width = ids.shape
    picture = Image.new("RGB", (width, height))
    for top in range(0, height, _STRIP):
        rows = slice(top, top + _STRIP)
        mixed = image[rows] * np.float32(1 - OPACITY) + table[ids[rows]]
        picture.paste(Image.fromarray((mixed + 0.5).astype(np.uint8)), (0, top))
    return picture


WRITERS = {
    "ids": Writer("ids/{}.png", class_ids),
    "colours": Writer("colours/{}.png", class_colours),
    "overlay": Writer("overlay/{}.jpg", overlay),
}


def find_writers(text: str) -> tuple[Writer, ...]:
    """The writers of `ids,colours,overlay`, or some of them. Raises AtrousError."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in WRITERS]
    if unknown or not names:
        raise AtrousError(
            f"--write: expected one or more of {', '.join(WRITERS)}, with commas between them; "
            f"got {text!r}."
        )
    return tuple(WRITERS[name] for name in dict.fromkeys(names))
