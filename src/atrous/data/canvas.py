"""How images of any size share one canvas, and where their pixels lie on the feature map.

Sizes and coordinates are (vertical, horizontal). A canvas is k * output stride + 1 pixels long, as
in the reference implementation: feature position i then sits on canvas pixel i * output stride.
An image larger than the canvas is scaled down to fit; then it is put at the top left corner, and
the rest is filled with the mean colour.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from atrous.core.errors import AtrousError

Size = tuple[int, int]
LONGEST = 513
"""The longest side of a derived canvas, in pixels: the crop of the paper's PASCAL experiments."""


@dataclass(frozen=True)
class Placement:
    """Where an image of `original` size lies on the canvas: it covers `placed` pixels."""

    original: Size
    placed: Size

    def coordinates(self, axis: int) -> npt.NDArray[np.float32]:
        """The canvas coordinate of each of the original's pixels along an axis."""
        original, placed = self.original[axis], self.placed[axis]
        middles = (np.arange(original) + 0.5) * (placed / original) - 0.5
        return middles.clip(0, placed - 1).astype(np.float32)


def derive_crop(sizes: Iterable[Size], output_stride: int, longest: int = LONGEST) -> Size:
    """The smallest canvas that covers every size, scaled down to at most about `longest` pixels."""
    tallest, widest = largest(sizes)
    scale = min(1.0, longest / max(tallest, widest))
    return (
        round_up(round(tallest * scale), output_stride),
        round_up(round(widest * scale), output_stride),
    )


def largest(sizes: Iterable[Size]) -> Size:
    """The size that holds every size."""
    sizes = list(sizes)
    return max(h for h, _ in sizes), max(w for _, w in sizes)


def parse_size(text: str) -> Size:
    """`360x480` as (360, 480)."""
    match = re.fullmatch(r"(\d+)x(\d+)", text.strip())
    if not match or not all(map(int, match.groups())):
        raise AtrousError(f"Expected a size as HEIGHTxWIDTH, such as 360x480, got {text!r}.")
    return int(match[1]), int(match[2])


def require_crop(crop: Size, canvas: int) -> Size:
    """The crop itself; raises `AtrousError` if it is not k * `canvas` + 1 on each axis. No crop is
    at fault where there can be no such canvas."""
    if canvas > 0 and any(side % canvas != 1 or side == 1 for side in crop):
        fitting = "x".join(str(round_up(side, canvas)) for side in crop)
        raise AtrousError(
            f"A crop is k * {canvas} + 1 pixels long on each axis, for the network's largest "
            f"stride is {canvas}; got {crop[0]}x{crop[1]}. The next that fits is --crop {fitting}."
        )
    return crop


def feature_size(crop: Size, output_stride: int) -> Size:
    """The size of the feature map of a canvas, in positions."""
    return (crop[0] - 1) // output_stride + 1, (crop[1] - 1) // output_stride + 1


def place(original: Size, crop: Size) -> Placement:
    """Where an image of this size goes on the canvas."""
    scale = min(1.0, crop[0] / original[0], crop[1] / original[1])
    placed = (max(1, round(original[0] * scale)), max(1, round(original[1] * scale)))
    return Placement(original, placed)


def paint(
    image: npt.NDArray[np.uint8], placement: Placement, crop: Size, fill: tuple[int, int, int]
) -> npt.NDArray[np.uint8]:
    """The canvas [H, W, 3] with the image on it."""
    if placement.placed != placement.original:
        small = Image.fromarray(image).resize(placement.placed[::-1], Image.Resampling.BILINEAR)
        image = np.asarray(small)
    canvas = np.empty((*crop, 3), np.uint8)
    canvas[:] = fill
    canvas[: image.shape[0], : image.shape[1]] = image
    return canvas


def sample_labels(
    mask: npt.NDArray[np.uint8], placement: Placement, crop: Size, stride: int, ignore: int
) -> npt.NDArray[np.uint8]:
    """The label at every `stride`-th canvas pixel, nearest neighbour; `ignore` off the image."""
    targets = np.full([(side - 1) // stride + 1 for side in crop], ignore, np.uint8)
    rows, columns = (_nearest(placement, axis, stride) for axis in (0, 1))
    targets[: len(rows), : len(columns)] = mask[np.ix_(rows, columns)]
    return targets


def _nearest(placement: Placement, axis: int, stride: int) -> npt.NDArray[np.int64]:
    """The original's pixel nearest to each `stride`-th canvas pixel that the image covers."""
    original, placed = placement.original[axis], placement.placed[axis]
    middles = (np.arange(0, placed, stride) + 0.5) * (original / placed)
    nearest: npt.NDArray[np.int64] = middles.astype(np.int64).clip(0, original - 1)
    return nearest


def round_up(side: int, output_stride: int) -> int:
    """The smallest k * output stride + 1, k at least 1, that is no less than `side`."""
    return max(1, -(-(side - 1) // output_stride)) * output_stride + 1
