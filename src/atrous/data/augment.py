"""Random scale, crop and flip, alike for image and labels (Chen et al. 2018, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from atrous.data.encoding import IGNORE

Pixels = npt.NDArray[np.uint8]
SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
"""The scales of the reference implementation, each equally likely."""


@dataclass(frozen=True)
class Augmentation:
    """How a training crop of `crop` (height, width) pixels is drawn from an image.

    The image is scaled by one of `scales`, a window is cut out of it, and with probability one
    half, where `flip`, left and right change places. Where the scaled image is smaller than the
    crop, the rest (right and bottom) is `fill`, and its labels are ignored.
    """

    crop: tuple[int, int]
    scales: tuple[float, ...]
    flip: bool
    fill: tuple[int, int, int]

    def __call__(
        self, image: Pixels, labels: Pixels, rng: np.random.Generator
    ) -> tuple[Pixels, Pixels]:
        """Image [H, W, 3] and labels [H, W] -> crops [h, w, 3] and [h, w]."""
        scale = self.scales[rng.integers(len(self.scales))]
        windows = [
            _window(size, crop, scale, rng)
            for size, crop in zip(labels.shape, self.crop, strict=True)
        ]
        (top, bottom, height), (left, right, width) = windows
        box = (left, top, right, bottom)
        picture = np.empty((*self.crop, 3), np.uint8)
        picture[:] = self.fill
        truth = np.full(self.crop, IGNORE, np.uint8)
        size = (width, height)
        picture[:height, :width] = _resized(image, size, Image.Resampling.BILINEAR, box)
        truth[:height, :width] = _resized(labels, size, Image.Resampling.NEAREST, box)
        if self.flip and rng.integers(2):
            picture, truth = picture[:, ::-1], truth[:, ::-1]
        return np.ascontiguousarray(picture), np.ascontiguousarray(truth)


def _resized(
    pixels: Pixels,
    size: tuple[int, int],
    resampling: Image.Resampling,
    box: tuple[float, float, float, float],
) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize(size, resampling, box))


def _window(
    size: int, crop: int, scale: float, rng: np.random.Generator
) -> tuple[float, float, int]:
    """Along an axis, what part of the image is cut out, and how many pixels it becomes."""
    scaled = max(1, round(size * scale))
    kept = min(scaled, crop)
    first = int(rng.integers(scaled - kept + 1))
    return first * size / scaled, (first + kept) * size / scaled, kept
