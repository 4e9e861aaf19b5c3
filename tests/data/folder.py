"""Writes tiny data sets for the tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 12, 16
CLASSES = ("wall", "floor", "lamp")


def picture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> Image.Image:
    """A picture of noise; each seed gives another one."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def labels(*values: int, height: int = HEIGHT, width: int = WIDTH) -> Image.Image:
    """A mask in which the values follow each other in equal stripes."""
    rows = np.array(values, dtype=np.uint8)[np.arange(height) * len(values) // height]
    return Image.fromarray(np.repeat(rows[:, None], width, axis=1))


def palette(mask: Image.Image) -> Image.Image:
    """The same ids as indices of a palette of random colours."""
    coloured = mask.copy()
    coloured.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
    assert coloured.mode == "P"
    return coloured


def add(root: Path, split: str, name: str, image: Image.Image, mask: Image.Image) -> None:
    """Adds one image and its mask, both as PNG."""
    for kind, content in (("images", image), ("masks", mask)):
        path = root / kind / split / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        content.save(path)


def write(root: Path, train: int = 4, val: int = 2, test: int = 2) -> Path:
    """A faultless data set of three classes; returns its root."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    for part, (split, count) in enumerate((("train", train), ("val", val), ("test", test))):
        for k in range(count):
            add(root, split, f"{split}{k}", picture(100 * part + k), labels(0, 1, 2, 255))
    return root
