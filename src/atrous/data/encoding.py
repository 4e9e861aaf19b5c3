"""How the pixels of a mask file stand for class ids."""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from atrous.data.pixels import Pixels, UnfitFileError, ids

IGNORE = 255
"""The class id of pixels that count neither in training nor in any score."""

UNKNOWN = 254
"""The id that a mapped encoding gives for pixels that mean nothing: no published set has 255
classes."""

Raw = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class ValueEncoding:
    """A grey or palette mask whose value `v` means class `table[v]`.

    `table` has 256 entries: class ids, IGNORE, or UNKNOWN for values that mean nothing. `values`
    says in words which values mean something.
    """

    values: str
    table: bytes

    def raw(self, picture: Image.Image, path: Path) -> Raw:
        """The values of a decoded file, H x W. Raises UnfitFileError."""
        return ids(picture, path)

    def labels(self, raw: Raw) -> Pixels:
        """The class ids of values, uint8 H x W."""
        return np.frombuffer(self.table, dtype=np.uint8)[raw]

    def digest(self) -> bytes:
        return hashlib.blake2b(b"values" + self.table, digest_size=16).digest()


@dataclass(frozen=True)
class SegmentEncoding:
    """A colour PNG whose R + 256 G + 65536 B is the id of a segment of some class.

    `segments` holds (segment id, class id) pairs as little-endian int32, sorted; `segments_of`
    makes it. It is bytes because there is one for each image of COCO.
    """

    values: str
    segments: bytes

    def raw(self, picture: Image.Image, path: Path) -> Raw:
        """The segment ids of a decoded file, int32 H x W. Raises UnfitFileError."""
        # Lossless tools turn few colours into a palette and equal channels into grey.
        if picture.format != "PNG" or picture.mode not in ("RGB", "P", "L", "1"):
            raise UnfitFileError(
                path,
                f"is a {picture.format} file of mode {picture.mode}, not a PNG of RGB segment ids",
                "unpack the published masks again",
            )
        channels = np.asarray(picture.convert("RGB")).astype(np.int32)
        segments: Raw = channels @ np.array([1, 1 << 8, 1 << 16], dtype=np.int32)
        return segments

    def labels(self, raw: Raw) -> Pixels:
        """The class ids of segment ids, uint8 H x W; UNKNOWN where there is no such segment."""
        known, classes = np.frombuffer(self.segments, dtype="<i4").reshape(-1, 2).T
        nearest = np.minimum(np.searchsorted(known, raw), len(known) - 1)
        return np.where(known[nearest] == raw, classes[nearest], UNKNOWN).astype(np.uint8)

    def digest(self) -> bytes:
        return hashlib.blake2b(b"segments" + self.segments, digest_size=16).digest()


Encoding = ValueEncoding | SegmentEncoding

IDENTITY = ValueEncoding("the class ids, and 255 for 'ignore'", bytes(range(256)))
"""The values are the class ids; 255 is 'ignore'."""


def segments_of(classes: Mapping[int, int]) -> bytes:
    """Class ids by segment id as SegmentEncoding keeps them; segment 0 is void and ignored."""
    pairs = sorted({0: IGNORE, **classes}.items())
    return np.array(pairs, dtype="<i4").tobytes()


Colour = tuple[int, int, int]
"""Red, green, blue, each 0 to 255."""

_OKABE_ITO: tuple[Colour, ...] = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (213, 94, 0),
    (240, 228, 66),
    (64, 64, 64),
)
_LIGHTNESS = (0.35, 0.6, 0.8)
_GOLDEN = 0.61803398875


def distinct(count: int) -> tuple[Colour, ...]:
    """`count` colours, the same ones every time; more colours do not change the first ones.

    The first eight can be told apart by colour-blind readers (Okabe and Ito 2008, with a dark grey
    for black); the further ones differ in lightness as well as in hue.
    """
    further = (_further(k) for k in range(max(0, count - len(_OKABE_ITO))))
    return (*_OKABE_ITO[:count], *further)


def voc_colours(count: int) -> tuple[Colour, ...]:
    """The first `count` colours of the PASCAL VOC colour map; 0 is black."""
    return tuple(voc_colour(k) for k in range(count))


def voc_colour(index: int) -> Colour:
    """A colour of the PASCAL VOC colour map (VOCdevkit, VOClabelcolormap.m), index 0 to 255.

    The index's bits 0, 1, 2 are the topmost bits of red, green and blue, bits 3, 4, 5 the next.
    """
    channels = [0, 0, 0]
    for bit in range(8):
        channels[bit % 3] |= (index >> bit & 1) << (7 - bit // 3)
    return channels[0], channels[1], channels[2]


def _further(index: int) -> Colour:
    hue, lightness = (index * _GOLDEN) % 1, _LIGHTNESS[index % len(_LIGHTNESS)]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.7)
    return round(255 * red), round(255 * green), round(255 * blue)
