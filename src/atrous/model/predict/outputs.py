"""The folder that predictions are written to, and which of them are finished.

predictions.json    what the predictions were made with, written before the first of them

A file counts as finished if it is younger than predictions.json and than its image. So a command
that was interrupted goes on where it stopped, and one that makes everything anew, interrupted,
does so too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from atrous.core.errors import AtrousError
from atrous.core.files import make_folder, whole, writing
from atrous.core.records import from_text, to_json, write_plain
from atrous.data.encoding import Colour
from atrous.data.pixels import Pixels

ABOUT = "predictions.json"
OPACITY = 0.5
"""The part of an overlay that is the class's colour."""
LONGEST = 65500
"""Pixels a side that a JPEG file holds."""
_STRIP = 256

Draw = Callable[[Pixels, Pixels, Sequence[Colour]], Image.Image]
"""(image H x W x 3, class ids H x W, the classes' colours) -> what is written."""


@dataclass(frozen=True)
class InputImage:
    """An image file. What is written about it is called `name`, which has no suffix: the file's
    own name, below the folders between it and the folder that the user named."""

    name: str
    path: Path


@dataclass(frozen=True)
class Writer:
    """`place` is a file in the output folder, with `{}` for the image's name."""

    place: str
    draw: Draw

    def path(self, out: Path, name: str) -> Path:
        """Returns where this writer's file about the image of that name belongs."""
        return out / self.place.replace("{}", name)

    def write(self, path: Path, image: Pixels, ids: Pixels, colours: Sequence[Colour]) -> None:
        """Writes the file whole or not at all; raises AtrousError."""
        picture = self.draw(image, ids, colours)
        options: dict[str, Any] = {"quality": 90} if path.suffix == ".jpg" else {}
        mend = "Make room, or name another folder with --out; the same command then goes on."
        with writing(str(path), mend):
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole(path) as partial:
                picture.save(partial, "JPEG" if options else "PNG", **options)


def class_ids(_image: Pixels, ids: Pixels, _colours: Sequence[Colour]) -> Image.Image:
    """Draws in 8-bit grey; a pixel's value is its class id."""
    return Image.fromarray(ids)


def class_colours(_image: Pixels, ids: Pixels, colours: Sequence[Colour]) -> Image.Image:
    """Draws a palette image in the classes' colours, whose indices are the class ids as well."""
    picture = Image.fromarray(ids)
    picture.putpalette([channel for colour in colours for channel in colour])
    return picture


def overlay(image: Pixels, ids: Pixels, colours: Sequence[Colour]) -> Image.Image:
    """Lays each class's colour over the image."""
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
    """Finds the writers of `ids,colours,overlay`, or some of them; raises AtrousError."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in WRITERS]
    if unknown or not names:
        raise AtrousError(
            f"--write: expected one or more of {', '.join(WRITERS)}, with commas between them; "
            f"got {text!r}."
        )
    return tuple(WRITERS[name] for name in dict.fromkeys(names))


@dataclass(frozen=True)
class Outputs:
    """Files in `folder`, one of each of the writers for each image; classes have `colours`."""

    folder: Path
    writers: tuple[Writer, ...]
    colours: Sequence[Colour]

    def paths(self, image: InputImage) -> list[Path]:
        """Returns the files about an image."""
        return [writer.path(self.folder, image.name) for writer in self.writers]

    def finished(self, image: InputImage) -> bool:
        """Tells whether all files about the image are there and up to date."""
        try:
            made = min(path.stat().st_mtime_ns for path in self.paths(image))
            inputs = (self.folder / ABOUT, image.path)
            return made >= max(path.stat().st_mtime_ns for path in inputs)
        except OSError:
            return False

    def write(self, image: InputImage, pixels: Pixels, ids: Pixels) -> None:
        """Writes all files about an image; raises AtrousError."""
        for writer, path in zip(self.writers, self.paths(image), strict=True):
            writer.write(path, pixels, ids, self.colours)


@dataclass(frozen=True)
class Provenance:
    """All that predictions depend on: a digest of the model, and how it is applied."""

    model: str
    scales: tuple[float, ...]
    flip: bool


def open_outputs(
    outputs: Outputs, images: Iterable[InputImage], provenance: Provenance, overwrite: bool
) -> None:
    """Makes the folder, or makes sure that what is in it belongs to what will be written.

    With `overwrite`, everything is written anew. Raises AtrousError if the folder holds predictions
    made otherwise, or files in the way of predictions that are none.
    """
    path = outputs.folder / ABOUT
    before = _read(path)
    if before == provenance and not overwrite:
        return
    if before is not None and not overwrite:
        then, now = to_json(before), to_json(provenance)
        apart = "; ".join(f"{k} {then[k]}, now {now[k]}" for k in now if then[k] != now[k])
        raise AtrousError(
            f"{outputs.folder} holds predictions made otherwise ({apart}). "
            "To mend: name another folder with --out, or make them anew with --overwrite."
        )
    if before is None and not overwrite:
        _refuse_strangers(outputs, images)
    make_folder(outputs.folder, "predictions")
    write_plain(path, provenance, "how predictions are made")


def _read(path: Path) -> Provenance | None:
    """Reads what predictions were made with; None if nothing says so."""
    try:
        return from_text(Provenance, path.read_bytes())
    except (OSError, ValueError):
        return None


def _refuse_strangers(outputs: Outputs, images: Iterable[InputImage]) -> None:
    for image in images:
        for path in outputs.paths(image):
            if path.exists():
                raise AtrousError(
                    f"{path} is there already, and no {ABOUT} in {outputs.folder} says that it is "
                    "a prediction. To mend: name another folder with --out, or replace it with "
                    "--overwrite."
                )
