"""How the pixels of a mask file stand for class ids."""

from __future__ import annotations

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
        if picture.format != "PNG" or picture.mode != "RGB":
            raise UnfitFileError(
                path,
                f"is a {picture.format} file of mode {picture.mode}, not a PNG of RGB segment ids",
                "unpack the published masks again",
            )
        channels = np.asarray(picture).astype(np.int32)
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
