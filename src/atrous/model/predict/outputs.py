"""The folder that predictions are written to, and which of them are finished.

predictions.json    what the predictions were made with, written before the first of them

A file counts as finished if it is younger than predictions.json and than its image. So a command
that was interrupted goes on where it stopped, and one that makes everything anew, interrupted,
does so too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atrous.core.errors import AtrousError
from atrous.core.files import write_whole
from atrous.data.palette import Colour
from atrous.data.pixels import Pixels
from atrous.model.predict.images import Input
from atrous.model.predict.writers import Writer

ABOUT = "predictions.json"


@dataclass(frozen=True)
class Outputs:
    """Files in `folder`, one of each of the writers for each image; classes have `colours`."""

    folder: Path
    writers: tuple[Writer, ...]
    colours: Sequence[Colour]

    def paths(self, image: Input) -> list[Path]:
        """The files about an image."""
        return [writer.path(self.folder, image.name) for writer in self.writers]

    def finished(self, image: Input) -> bool:
        """Whether all files about the image are there and up to date."""
        try:
            made = min(path.stat().st_mtime_ns for path in self.paths(image))
            inputs = (self.folder / ABOUT, image.path)
            return made >= max(path.stat().st_mtime_ns for path in inputs)
        except OSError:
            return False

    def write(self, image: Input, pixels: Pixels, ids: Pixels) -> None:
        """Writes all files about an image; raises AtrousError."""
        for writer, path in zip(self.writers, self.paths(image), strict=True):
            writer.write(path, pixels, ids, self.colours)


def open_outputs(
    outputs: Outputs, images: Iterable[Input], about: Mapping[str, Any], overwrite: bool
) -> None:
    """Makes the folder, or makes sure that what is in it belongs to what will be written.

    `about` says, in JSON's types, what predictions depend on: the model and how it is applied.
    With `overwrite`, everything is written anew. Raises AtrousError if the folder holds predictions
    made otherwise, or files in the way of predictions that are none.
    """
    path = outputs.folder / ABOUT
    before = _read(path)
    if before == about and not overwrite:
        return
    if before is not None and not overwrite:
        raise AtrousError(
            f"{outputs.folder} holds predictions made otherwise ({_differences(before, about)}). "
            "To mend: name another folder with --out, or make them anew with --overwrite."
        )
    if before is None and not overwrite:
        _refuse_strangers(outputs, images)
    try:
        outputs.folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(about, indent=2) + "\n")
    except OSError as error:
        raise AtrousError(
            f"Expected to write to {outputs.folder}, but {error}. Name another folder with --out."
        ) from error


def _read(path: Path) -> dict[str, Any] | None:
    """What predictions were made with; None if nothing says so."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _differences(before: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    apart = [name for name in {**before, **about} if before.get(name) != about.get(name)]
    return "; ".join(f"{name} {before.get(name)}, now {about.get(name)}" for name in apart)


def _refuse_strangers(outputs: Outputs, images: Iterable[Input]) -> None:
    for image in images:
        for path in outputs.paths(image):
            if path.exists():
                raise AtrousError(
                    f"{path} is there already, and no {ABOUT} in {outputs.folder} says that it is "
                    "a prediction. To mend: name another folder with --out, or replace it with "
                    "--overwrite."
                )
