"""The input and the output of an exported file, and how far an output is from the network's.

Shapes: B images of H x W pixels, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atrous.core.errors import AtrousError, InvalidError
from atrous.data.canvas import Size

Normalise = Literal["in", "out"]
Output = Literal["logits", "probabilities", "ids"]

INPUT = "images"
SMALL_IDS = 256
"""Up to this many classes, ids are bytes."""
TOLERANCE = 1e-4
"""The largest difference that is accepted, as a part of the largest logit in size; that of
probabilities as it is."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ExportInterface:
    """The images an exported file takes, and what it gives for each pixel.

    `mean` and `std` are those of RGB images in [0, 1].

    With `normalise` "in", the file takes images as they are read from disk, uint8 RGB, and
    normalises them itself: there is one number type, so that no one can mistake 0 .. 255 for
    0 .. 1. With "out" it takes float32 images that the caller has normalised.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    normalise: Normalise = "in"
    output: Output = "logits"

    def __post_init__(self) -> None:
        """Raises InvalidError for a word that is not among the choices."""
        for option, value, choices in (
            ("--normalise", self.normalise, get_args(Normalise)),
            ("--output", self.output, get_args(Output)),
        ):
            if value not in choices:
                raise InvalidError(f"{option}: expected {' or '.join(choices)}, got {value!r}.")

    def describe_input(self) -> str:
        """Says the input in words."""
        shape = f"{INPUT} [B, 3, H, W], RGB, any B, H and W"
        if self.normalise == "in":
            return f"{shape}, uint8 from 0 to 255; normalised inside"
        return f"{shape}, float32, normalised by the caller: (x / 255 - mean) / std"

    def describe_output(self, classes: int) -> str:
        """Says the output in words."""
        if self.output == "ids":
            kind = str(id_type(classes)).removeprefix("torch.")
            return f"ids [B, H, W], {kind}, the class of each pixel"
        what = "class scores" if self.output == "logits" else "they sum to 1 at each pixel"
        return f"{self.output} [B, {classes}, H, W], float32, {what}"

    def normalised(self, pixels: Tensor) -> Tensor:
        """Normalises uint8 pixels [B, 3, H, W] exactly as a model's transform does."""
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return (pixels.to(torch.float32) / 255 - mean) / std

    def arranged(self, pixels: Tensor) -> Tensor:
        """Turns uint8 pixels [B, 3, H, W] into what the exported file takes."""
        return pixels if self.normalise == "in" else self.normalised(pixels)


def id_type(classes: int) -> torch.dtype:
    """Returns the number type of class ids."""
    return torch.uint8 if classes <= SMALL_IDS else torch.int64


def noise(batch: int, size: Size) -> Tensor:
    """Images of random pixels, the same at each call: uint8 [batch, 3, H, W]."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (batch, 3, *size), generator=generator, dtype=torch.uint8)


def difference(interface: ExportInterface, logits: Tensor, found: Array) -> float:
    """Measures how far a file's output `found` is from the network's `logits` [B, K, H, W].

    Logits: the largest difference; ids: the largest amount by which a pixel's class falls behind
    the best one; both divided by the largest logit in size. Probabilities: the largest
    difference. Raises AtrousError when the output has another shape or number type.
    """
    classes = logits.shape[1]
    shape = logits[:, 0].shape if interface.output == "ids" else logits.shape
    kind = id_type(classes) if interface.output == "ids" else torch.float32
    got = torch.from_numpy(np.array(found))
    if got.shape != shape or got.dtype != kind:
        raise AtrousError(
            f"expected {kind} {list(shape)} from the exported file, got {got.dtype} "
            f"{list(got.shape)}"
        )
    if interface.output == "probabilities":
        return float((got - logits.softmax(1)).abs().max())
    if interface.output == "ids":
        ids = got.to(torch.int64)[:, None]
        if int(ids.max()) >= classes:
            return float("inf")
        apart = logits.amax(1, keepdim=True) - logits.gather(1, ids)
    else:
        apart = (got - logits).abs()
    scale = logits.abs().max().clamp_min(torch.finfo(torch.float32).tiny)
    return float(apart.max() / scale)


def agrees(difference: float) -> bool:
    """Tells whether a difference is small enough; NaN is not."""
    return difference <= TOLERANCE
