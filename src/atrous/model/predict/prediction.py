"""A trained model applied to many images: read, computed in tiles if need be, written, resumed.

H x W are pixels of an image, K classes; memory is in bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from atrous.core.console import untracked
from atrous.core.errors import AtrousError, in_a_line, lacks_memory
from atrous.core.words import mebibytes, some
from atrous.data.canvas import Size
from atrous.data.dataset import Progress
from atrous.data.encoding import Colour
from atrous.data.pixels import Pixels, UnfitFileError, read_upright, size_of
from atrous.data.transform import as_rgb
from atrous.model.evaluation.record import require_scales
from atrous.model.model import Model
from atrous.model.predict.images import find_images
from atrous.model.predict.memory import bytes_per_pixel, fitting_tile, least
from atrous.model.predict.outputs import (
    ABOUT,
    LONGEST,
    InputImage,
    Outputs,
    Writer,
    class_colours,
    overlay,
)
from atrous.tasks.segmentation.evaluate import winners
from atrous.tasks.segmentation.probabilities import blocks, evaluating, probabilities

HELD = 4
"""Bytes held for each pixel of an image while it is computed: its colours, its class."""
PEAK = {".webp": 18, ".jpg": 12, ".jpeg": 12}
USUAL_PEAK = 9
"""Bytes for each pixel of an image while it is decoded or written, when nothing is computed: Pillow
has 4, the array 3, a progressive JPEG up to 8 of coefficients; WebP is decoded whole, twice."""


@dataclass(frozen=True)
class PredictionMethod:
    """The way to compute probabilities (see `probabilities`), in at most `memory` bytes."""

    scales: tuple[float, ...]
    flip: bool
    device: str
    memory: int


@dataclass(frozen=True)
class Predicted:
    """The image's files are written; `tiles` is how many tiles it was computed in."""

    input: InputImage
    tiles: int


@dataclass(frozen=True)
class Skipped:
    """The image's files were there already."""

    input: InputImage


@dataclass(frozen=True)
class Refused:
    """The image could not be used; `error` names it and says what to do."""

    input: InputImage
    error: UnfitFileError


Outcome = Predicted | Skipped | Refused


@dataclass(frozen=True, repr=False, eq=False)
class Prediction:
    """The class `ids` [H, W] of an image's pixels [H, W, 3], numbers of `classes`, uint8 both;
    `path` is the image's file, where it came from one."""

    ids: Pixels
    image: Pixels
    classes: tuple[str, ...]
    colours: Sequence[Colour]
    path: Path | None = None

    @property
    def overlay(self) -> Image.Image:
        """The image with each class's colour laid over it."""
        return overlay(self.image, self.ids, self.colours)

    @property
    def coloured(self) -> Image.Image:
        """A palette image in the classes' colours, whose indices are the class ids."""
        return class_colours(self.image, self.ids, self.colours)

    @property
    def shares(self) -> dict[str, float]:
        """The share of pixels of each class that there is, the largest first."""
        counts = np.bincount(self.ids.ravel(), minlength=len(self.classes)) / self.ids.size
        order = np.argsort(-counts, kind="stable")
        return {self.classes[k]: float(counts[k]) for k in order if counts[k]}

    def save(self, path: str | Path) -> Path:
        """Writes the class ids as a PNG in the classes' colours; returns its path. An overlay is
        written by `overlay.save`. Raises AtrousError."""
        place = Path(path)
        if place.suffix.lower() != ".png":
            raise AtrousError(
                f"Expected a name that ends in .png, which keeps class ids, got {place.name!r}."
            )
        Writer(place.name, class_colours).write(place, self.image, self.ids, self.colours)
        return place

    def _repr_png_(self) -> bytes:
        """The overlay, as notebooks show it."""
        content = BytesIO()
        self.overlay.save(content, "PNG")
        return content.getvalue()

    def __repr__(self) -> str:
        told = (f"{name} {100 * share:.1f} %" for name, share in self.shares.items())
        height, width = self.ids.shape
        return f"Prediction({height} x {width}: {some(told)})"


def predictions(model: Model, source: Any, method: PredictionMethod) -> Any:
    """Returns the prediction for a file, a PIL image or pixels; for a folder an iterator of those
    for all images. Raises AtrousError."""
    require_scales(method.scales)
    network, device = model.network.to(method.device), method.device
    per_pixel = bytes_per_pixel(network, method.scales, method.flip, device)

    def predicted(pixels: Pixels, path: Path | None) -> Prediction:
        size = pixels.shape[0], pixels.shape[1]
        tile = _tile(path or Path("The image"), size, method, per_pixel, len(model.classes))
        with evaluating(network):
            ids, _ = predicted_ids(model, pixels, method, tile)
        return Prediction(ids, pixels, model.classes, model.colours, path)

    if not isinstance(source, (str, Path)):
        return predicted(as_rgb(source), None)
    path = Path(source).expanduser()
    images = find_images((path,), path / ABOUT)
    found = (predicted(read_upright(each.path), each.path) for each in images)
    return found if path.is_dir() else next(found)


def predict_images(
    model: Model,
    images: Sequence[InputImage],
    outputs: Outputs,
    method: PredictionMethod,
    read: Callable[[Path], Pixels],
    progress: Progress = untracked,
) -> Iterator[Outcome]:
    """Predicts images in turn; those whose files are there and up to date are skipped.

    `read` gives an image's pixels, uint8 H x W x 3. `progress` follows the tiles of one image.
    Raises AtrousError if nothing can be written.
    """
    network = model.network
    per_pixel = bytes_per_pixel(network, method.scales, method.flip, method.device)
    for image in images:
        if outputs.finished(image):
            yield Skipped(image)
            continue
        try:
            tiles = _predict(model, image, outputs, method, per_pixel, read, progress)
        except UnfitFileError as error:
            yield Refused(image, error)
        else:
            yield Predicted(image, tiles)


def _predict(
    model: Model,
    image: InputImage,
    outputs: Outputs,
    method: PredictionMethod,
    per_pixel: float,
    read: Callable[[Path], Pixels],
    progress: Progress,
) -> int:
    """Writes the files about one image; returns the number of tiles it was computed in.

    An image that needs more memory than it may take is refused from its header: decoding it would
    take that memory.
    """
    _require_overlay(image, size_of(image.path), outputs)
    _tile(image.path, size_of(image.path), method, per_pixel, len(model.classes))
    pixels = read(image.path)
    size = pixels.shape[0], pixels.shape[1]
    tile = _tile(image.path, size, method, per_pixel, len(model.classes))
    try:
        ids, tiles = predicted_ids(model, pixels, method, tile, progress)
    except Exception as error:
        if not lacks_memory(error):
            raise
        why = f"needs more memory than there is ({in_a_line(error)})"
        raise UnfitFileError(image.path, why, "lower --memory") from error
    outputs.write(image, pixels, ids)
    return tiles


def _require_overlay(image: InputImage, size: Size, outputs: Outputs) -> None:
    """Raises UnfitFileError for an overlay that no JPEG file holds."""
    if max(size) > LONGEST and any(path.suffix == ".jpg" for path in outputs.paths(image)):
        raise UnfitFileError(
            image.path,
            f"is {size[1]} x {size[0]} pixels, and an overlay is a JPEG file, which holds "
            f"{LONGEST:,} a side",
            "leave out overlays with --write ids,colours",
        )


def predicted_ids(
    model: Model,
    pixels: Pixels,
    method: PredictionMethod,
    tile: Size,
    progress: Progress = untracked,
) -> tuple[Pixels, int]:
    """Finds the most probable class of each pixel, uint8 H x W, and the number of tiles.

    `pixels` are uint8 H x W x 3, `tile` is (h, w) in pixels. Never are the probabilities of all
    pixels in memory.
    """

    def predict(rows: slice, columns: slice) -> Tensor:
        part = model.transform(pixels[rows, columns])
        return probabilities(model.network, part, method.scales, method.flip, method.device)

    height, width, _ = pixels.shape
    ids, count = np.zeros((height, width), dtype=np.uint8), 0
    for block in blocks(predict, (height, width), tile, progress):
        found = winners(block.probabilities).cpu().numpy()
        bottom, right = block.top + found.shape[0], block.left + found.shape[1]
        ids[block.top : bottom, block.left : right] = found
        count += 1
    return ids, count


def _tile(path: Path, size: Size, method: PredictionMethod, per_pixel: float, classes: int) -> Size:
    """Chooses the tile with which an image stays within the memory, or raises UnfitFileError.

    On a GPU the memory is the GPU's, which holds neither files nor results.
    """
    area = size[0] * size[1] if method.device == "cpu" else 0
    tile = fitting_tile(size, method.memory - HELD * area, per_pixel, classes)
    decoded = PEAK.get(path.suffix.lower(), USUAL_PEAK) * area
    if tile is not None and decoded <= method.memory:
        return tile
    enough = max(decoded, least(size, per_pixel, classes) + HELD * area)
    raise UnfitFileError(
        path,
        f"is {size[1]} x {size[0]} pixels, which needs {mebibytes(enough)} with this model",
        f"raise --memory {mebibytes(method.memory)}, or cut it into several files",
    )
