"""One image and its mask, read once and looked at."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from atrous.data.dataset import Dataset, Sample
from atrous.data.encoding import IGNORE, Colour, Raw
from atrous.data.findings import Problem, Seen, Severity
from atrous.data.pixels import (
    Pixels,
    UnfitFileError,
    decode,
    doubts,
    is_one_bit,
    noted_orientation,
    palette_of,
    rgb,
)

WidthHeight = tuple[int, int]
"""(width, height) in pixels."""


@dataclass(frozen=True)
class Inspection:
    """The findings on one sample; `None` stands for a file that could not be used.

    `digest` is a hash of the image's decoded pixels, `seen` the content of the mask.
    """

    split: str
    image: str
    problems: tuple[Problem, ...]
    size: WidthHeight | None
    digest: bytes | None
    seen: Seen | None


def inspect(dataset: Dataset, split: str, sample: Sample) -> Inspection:
    """Decodes both files; never raises for what is wrong with them. Names are below the root."""
    image, mask = (below(dataset.root, path) for path in (sample.image, sample.mask))
    problems: list[Problem] = []
    picture, digest = _look_at_image(sample.image, image, problems)
    look = _look_at_mask(dataset, split, sample, mask, problems)
    if picture is not None:
        doubt: Severity = "warning" if dataset.published else "error"
        turn, mask_turn, mask_size = noted_orientation(picture), 1, None
        agree = False
        if look is not None:
            mask_turn, mask_size = noted_orientation(look[0]), look[0].size
            # Pillow applies the note of a TIFF, and of no other file.
            agree = mask_turn == turn and (picture.format, look[0].format).count("TIFF") != 1
        if mask_turn != 1 and not agree:
            problems.append(_turned_mask(mask, mask_turn, doubt))
        elif mask_turn == 1 or mask_size != picture.size:
            problems += _geometry(image, picture.size, turn, mask_size, doubt)
    size = None if picture is None else picture.size
    return Inspection(split, image, tuple(problems), size, digest, look[1] if look else None)


def below(root: Path, path: Path) -> str:
    """A path as it is shown: relative to the data set where it lies inside."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _look_at_image(
    path: Path, name: str, problems: list[Problem]
) -> tuple[Image.Image | None, bytes | None]:
    try:
        picture = decode(path)
        pixels = rgb(picture, path)
    except UnfitFileError as error:
        problems.append(Problem("error", name, error.finding, error.mend))
        return None, None
    if told := doubts(picture, pixels):
        problems.append(Problem("warning", name, *told))
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    digest.update(pixels.tobytes())
    return picture, digest.digest()


def _look_at_mask(
    dataset: Dataset, split: str, sample: Sample, name: str, problems: list[Problem]
) -> tuple[Image.Image, Seen] | None:
    try:
        picture = decode(sample.mask)
        raw = sample.encoding.raw(picture, sample.mask)
    except UnfitFileError as error:
        problems.append(Problem("error", name, error.finding, error.mend))
        return None
    labels = sample.encoding.labels(raw)
    counts = np.bincount(labels.ravel(), minlength=256).astype(np.int64)
    strange = _strange(raw, labels, len(dataset.classes))
    indices, by_grey = _indices(picture, raw)
    return picture, Seen(split, name, counts, strange, is_one_bit(picture), by_grey, indices)


def _indices(picture: Image.Image, raw: Raw) -> tuple[Mapping[Colour, int], bool]:
    """The index of every colour that a mask shows, where its palette has the colour once, and
    whether the ids are the greys of the palette instead."""
    if picture.mode != "P" or raw.dtype != np.uint8:
        return {}, False
    index = np.asarray(picture)
    if (index != raw).any():
        return {}, True
    palette, used = palette_of(picture), np.flatnonzero(np.bincount(index.ravel()))
    colours: list[Colour] = [(r, g, b) for r, g, b in palette.tolist()]
    times = Counter(colours)
    return {colours[k]: k for k in used.tolist() if times[colours[k]] == 1}, False


def _strange(raw: Raw, labels: Pixels, classes: int) -> Mapping[int, int]:
    outside = raw[(labels >= classes) & (labels != IGNORE)]
    values, pixels = np.unique(outside, return_counts=True)
    return dict(zip(values.tolist(), pixels.tolist(), strict=True))


def _turned_mask(name: str, turn: int, doubt: Severity) -> Problem:
    return Problem(
        doubt,
        name,
        f"carries an EXIF note (orientation {turn}) to be shown rotated or mirrored, which does "
        "not go for its image",
        "apply the note to the pixels or delete it, whichever makes the mask fit its image",
    )


def _geometry(
    name: str, size: WidthHeight, turn: int, mask: WidthHeight | None, doubt: Severity
) -> list[Problem]:
    """Sizes that differ, and EXIF rotations: whether the mask knows of them, the sizes may tell.

    `doubt` is how bad it is if they do not. Published masks are made for the stored pixels.
    """
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
    return [Problem(doubt, name, f"{finding}; nothing tells whether the mask is too", mend)]


def _sizes_differ(name: str, size: WidthHeight, mask: WidthHeight | None) -> Problem:
    shown = "nothing" if mask is None else f"{mask[0]} x {mask[1]}"
    return Problem(
        "error",
        name,
        f"is {size[0]} x {size[1]} pixels (width x height), its mask {shown}",
        "give both the same size; resize masks with nearest neighbour only",
    )
