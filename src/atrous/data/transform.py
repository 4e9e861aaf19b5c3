"""From an image to the tensor that a network expects."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import Tensor

from atrous.core.errors import AtrousError
from atrous.core.records import Finite
from atrous.data.encoding import IGNORE
from atrous.data.pixels import Pixels, rgb

CHANNELS = 3
ENHANCERS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)


@dataclass(frozen=True)
class Transform:
    """Normalises an image: `(pixels / 255 - mean) / std`, per channel of red, green and blue.

    Pixels are read exactly as `atrous.data.pixels.read_image` reads those that a network is
    trained on: every mode becomes RGB, transparency is dropped, of 16 bits a channel the upper 8
    are kept, a rotation noted in EXIF is not applied, and floating-point images are refused.
    """

    mean: tuple[Finite, ...]
    std: tuple[Finite, ...]

    def __post_init__(self) -> None:
        """Raises `ValueError` for numbers that normalise nothing."""
        if len(self.mean) != CHANNELS or len(self.std) != CHANNELS:
            raise ValueError(f"mean {self.mean} and std {self.std} are not three numbers each")
        if not all(map(math.isfinite, self.mean + self.std)) or min(self.std) <= 0:
            raise ValueError(f"mean {self.mean} and std {self.std} normalise nothing")

    def __call__(self, image: Image.Image | Pixels) -> Tensor:
        """An image, or uint8 pixels [H, W, 3] or [H, W], as a float32 tensor [3, H, W].

        Raises AtrousError for anything that is not an 8-bit image.
        """
        planes = torch.from_numpy(np.array(as_rgb(image).transpose(2, 0, 1), order="C"))
        mean, std = (torch.tensor(values).view(CHANNELS, 1, 1) for values in (self.mean, self.std))
        return (planes.float() / 255 - mean) / std


def as_rgb(image: Image.Image | Pixels) -> Pixels:
    """An image or an array as uint8 [H, W, 3]; raises AtrousError."""
    if isinstance(image, Image.Image):
        pixels = _from_picture(image)
    elif isinstance(image, np.ndarray):
        pixels = _from_array(image)
    else:
        raise AtrousError(
            f"Expected a PIL image or uint8 pixels [H, W, 3], got {type(image).__name__}. Open a "
            "file with PIL.Image.open."
        )
    if not pixels.size:
        raise AtrousError(f"Expected an image, got one of {pixels.shape[0]} x {pixels.shape[1]}.")
    return pixels


def _from_picture(picture: Image.Image) -> Pixels:
    path = Path(str(getattr(picture, "filename", "")) or "the image")
    try:
        return rgb(picture, path)
    except (OSError, SyntaxError, ValueError) as error:
        raise AtrousError(
            f"{path}: its pixels (mode {picture.mode}) cannot be read as RGB ({error}). Save it "
            "again as an 8-bit RGB PNG or JPEG."
        ) from error


def _from_array(pixels: Pixels) -> Pixels:
    if pixels.dtype != np.uint8:
        raise AtrousError(
            f"Expected pixels as uint8 (0 black, 255 white), got {pixels.dtype}. Scale them to "
            "0 .. 255 and convert with .astype(numpy.uint8)."
        )
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], CHANNELS, axis=2)
    if pixels.ndim != 3 or pixels.shape[2] != CHANNELS:
        raise AtrousError(
            f"Expected pixels [H, W, 3] (red, green, blue) or [H, W] (grey), got "
            f"{list(pixels.shape)}. Put the channels last, and drop any but red, green and blue."
        )
    return pixels


@dataclass(frozen=True)
class Augmentation:
    """How a training crop of `crop` (height, width) pixels is drawn from an image.

    The image is scaled by one of `scales`, a window is cut out of it, and with probability one
    half, where `flip`, left and right change places. Brightness, contrast and saturation are each
    changed by a factor of 1 - `colour` to 1 + `colour`. Where the scaled image is smaller than the
    crop, the rest (right and bottom) is `fill`, and its labels are ignored.
    """

    crop: tuple[int, int]
    scales: tuple[float, ...]
    flip: bool
    fill: tuple[int, int, int]
    colour: float = 0.0

    def __call__(
        self, image: Pixels, labels: Pixels, rng: np.random.Generator, mirrored: bool | None = None
    ) -> tuple[Pixels, Pixels]:
        """Image [H, W, 3] and labels [H, W] -> crops [h, w, 3] and [h, w], `mirrored` by chance
        unless told."""
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
        if self.colour:
            picture[:height, :width] = self._recoloured(picture[:height, :width], rng)
        if self.flip and (rng.integers(2) if mirrored is None else mirrored):
            picture, truth = picture[:, ::-1], truth[:, ::-1]
        return np.ascontiguousarray(picture), np.ascontiguousarray(truth)

    def _recoloured(self, pixels: Pixels, rng: np.random.Generator) -> Pixels:
        """Pixels [H, W, 3] of another light."""
        image = Image.fromarray(np.ascontiguousarray(pixels))
        for enhancer in ENHANCERS:
            image = enhancer(image).enhance(rng.uniform(1 - self.colour, 1 + self.colour))
        return np.asarray(image)


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
