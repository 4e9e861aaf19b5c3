"""From an image to the tensor that a network expects."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from atrous.core.errors import AtrousError
from atrous.data.pixels import Pixels, rgb

CHANNELS = 3


@dataclass(frozen=True)
class Transform:
    """Normalises an image: `(pixels / 255 - mean) / std`, per channel of red, green and blue.

    Pixels are read exactly as `atrous.data.pixels.read_image` reads those that a network is
    trained on: every mode becomes RGB, transparency is dropped, of 16 bits a channel the upper 8
    are kept, a rotation noted in EXIF is not applied, and floating-point images are refused.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

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
