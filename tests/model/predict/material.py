"""A small model, and pictures to apply it to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from atrous.data.pixels import Pixels
from atrous.model.model import Model
from tests.model.material import model


def small_model(classes: int = 3, seed: int = 3) -> Model:
    """Random weights, in which the last layer's are large enough that classes differ in space."""
    names = tuple(f"class {k}" for k in range(classes))
    made = model(seed, classes=names, colours=tuple((k, 255 - k, 2 * k) for k in range(classes)))
    made.network.logits.weight.data.mul_(300)
    return made


def picture(height: int, width: int, seed: int = 0) -> Pixels:
    """Coloured squares with noise."""
    rng = np.random.default_rng(seed)
    squares = rng.integers(0, 200, (-(-height // 16), -(-width // 16), 3))
    large = squares.repeat(16, axis=0).repeat(16, axis=1)[:height, :width]
    return (large + rng.integers(0, 56, large.shape)).astype(np.uint8)


def save(path: Path, pixels: npt.NDArray[np.unsignedinteger]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path
