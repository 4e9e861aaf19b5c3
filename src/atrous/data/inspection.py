"""One image and its mask, read once and looked at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from atrous.data.dataset import Sample
from atrous.data.findings import Counts, Problem
from atrous.data.pixels import UnfitFileError, decode, ids, is_sixteen_bit, orientation, rgb

Size = tuple[int, int]
"""(width, height) in pixels."""


@dataclass(frozen=True)
class Inspection:
    """What was seen of a sample; `None` stands for a file that could not be used.

    `digest` is a hash of the image's decoded pixels, `counts` the mask's pixels per value.
    """

    split: str
    image: str
    mask: str
    problems: tuple[Problem, ...]
    size: Size | None
    digest: bytes | None
    counts: Counts | None


def inspect(root: Path, split: str, sample: Sample) -> Inspection:
    """Decodes both files; never raises for what is wrong with them. Names are below `root`."""
    image, mask = _below(root, sample.image), _below(root, sample.mask)
    problems: list[Problem] = []
    picture, digest = _look_at_image(sample.image, image, problems)
    mask_size, counts = _look_at_mask(sample.mask, mask, problems)
    if picture is not None:
        problems += _geometry(image, picture.size, orientation(picture), mask_size)
    size = None if picture is None else picture.size
    return Inspection(split, image, mask, tuple(problems), size, digest, counts)


def _look_at_image(
    path: Path, name: str, problems: list[Problem]
) -> tuple[Image.Image | None, bytes | None]:
    try:
        picture = decode(path)
        pixels = rgb(picture, path)
    except UnfitFileError as error:
        problems.append(Problem("error", name, error.finding, error.mend))
        return None, None
    if is_sixteen_bit(picture):
        finding = "has 16 bits a pixel, of which the upper 8 are used"
        problems.append(Problem("warning", name, finding, "save 8-bit images, scaled as you like"))
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    digest.update(pixels.tobytes())
    return picture, digest.digest()


def _look_at_mask(
    path: Path, name: str, problems: list[Problem]
) -> tuple[Size | None, Counts | None]:
    try:
        picture = decode(path)
        values = ids(picture, path)
    except UnfitFileError as error:
        problems.append(Problem("error", name, error.finding, error.mend))
        return None, None
    return picture.size, np.bincount(values.ravel(), minlength=256).astype(np.int64)


def _geometry(name: str, size: Size, turn: int, mask: Size | None) -> list[Problem]:
    """Sizes that differ, and EXIF rotations: whether the mask knows of them, the sizes may tell."""
    if turn == 1:
        return [] if mask in (None, size) else [_sizes_differ(name, size, mask)]
    finding = f"carries an EXIF note (orientation {turn}) to be shown rotated or mirrored"
    mend = "apply the note to the pixels, delete it, and make sure that the mask then fits"
    turned = (size[1], size[0]) if turn >= 5 else size
    if mask not in (None, size, turned):
        return [_sizes_differ(name, size, mask)]
    if mask == size != turned:
        finding += "; the mask fits the pixels as stored, which is what will be used"
        return [Problem("warning", name, finding, "delete the note, so that every program agrees")]
    if mask == turned != size:
        return [Problem("error", name, f"{finding}; the mask fits the rotated image only", mend)]
    return [Problem("error", name, f"{finding}; nothing tells whether the mask is too", mend)]


def _sizes_differ(name: str, size: Size, mask: Size | None) -> Problem:
    shown = "nothing" if mask is None else f"{mask[0]} x {mask[1]}"
    return Problem(
        "error",
        name,
        f"is {size[0]} x {size[1]} pixels (width x height), its mask {shown}",
        "give both the same size; resize masks with nearest neighbour only",
    )


def _below(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
