"""Feature maps of a frozen backbone, kept on disk (Chen et al. 2018, section 3.3).

A feature set is a folder named by everything its content depends on:

    features-S.npy float16 [N, H, W, C], the map at stride S, one file for every stride that
                   somebody reads; channels last; those of mirror images after all others
    targets.npy    uint8 [N, h, w], labels at every fourth canvas pixel, to train on
    labels.npy     uint8, every label pixel of the N masks one after another, to score on; sets to
                   train on are made without
    about.json     sizes, checksums, and what the key was made of

It appears under its name only when it is complete. Readers map it into memory, so that all workers
of a machine share one copy.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atrous.core.console import track
from atrous.core.errors import AtrousError
from atrous.core.records import Count, Positive, read
from atrous.data.canvas import Placement, Size, feature_size, place
from atrous.networks.pyramid import Pyramid

FORMAT = 4
TARGET_STRIDE = 4
TARGETS = "targets.npy"
LABELS = "labels.npy"
ABOUT = "about.json"
CHUNK = 1 << 24


@dataclass(frozen=True)
class AboutFeatures:
    """The fields that are read of `about.json`, which holds all that the name is made of, too: the
    channels of every map by stride, the CRC-32 of each file, and the size of each image before and
    on the canvas. Where `mirrored`, the second half are mirror images of the first."""

    crop: tuple[Positive, Positive]
    strides: tuple[Positive, ...]
    labels: bool
    channels: dict[int, Positive]
    checksums: dict[str, Count]
    original: tuple[tuple[Positive, Positive], ...]
    placed: tuple[tuple[Positive, Positive], ...]
    mirrored: bool = False


@dataclass(frozen=True)
class FeatureSet:
    """A complete feature set on disk. Pickles as its path; arrays are mapped when first used."""

    path: Path

    def __getstate__(self) -> dict[str, Path]:
        return {"path": self.path}

    @cached_property
    def about(self) -> AboutFeatures:
        """The content of `about.json`."""
        path = self.path / ABOUT
        what, absent = "a complete set of features", str(_damaged(path, "there is no such file"))
        return read(path, AboutFeatures, FORMAT, what, absent, _mend(path), some=True)

    @cached_property
    def features(self) -> Pyramid:
        """By stride [N, C, H, W] float16, channels last in memory."""
        return {
            stride: self._map(features_file(stride)).permute(0, 3, 1, 2) for stride in self.strides
        }

    @property
    def strides(self) -> tuple[int, ...]:
        """The strides of the maps that are kept."""
        return self.about.strides

    @property
    def channels(self) -> dict[int, int]:
        """The channels of the maps that are kept, by stride: parts are built on those."""
        return {stride: self.about.channels[stride] for stride in self.strides}

    @property
    def shapes(self) -> dict[int, tuple[int, int, int]]:
        """[channels, height, width] of the maps that are kept, by stride."""
        return {
            stride: (self.channels[stride], *feature_size(self.crop, stride))
            for stride in self.strides
        }

    @property
    def crop(self) -> Size:
        """Height and width of the canvas."""
        return self.about.crop

    @cached_property
    def targets(self) -> Tensor:
        """[N, h, w] uint8."""
        return self._map(TARGETS)

    @cached_property
    def placements(self) -> tuple[Placement, ...]:
        """Where each image lies on the canvas."""
        pairs = zip(self.about.original, self.about.placed, strict=True)
        return tuple(Placement(original, placed) for original, placed in pairs)

    @property
    def size(self) -> int:
        """Bytes of the maps and the targets."""
        kept = (*self.features.values(), self.targets)
        return sum(each.numel() * each.element_size() for each in kept)

    @property
    def has_labels(self) -> bool:
        """Whether it can be scored on."""
        return self.about.labels

    def __len__(self) -> int:
        """How many maps of a stride there are, mirror images counted."""
        return len(self.about.original)

    @property
    def images(self) -> int:
        """How many images there are, without their mirror images: that of image i is number
        `images` + i."""
        return len(self) // 2 if self.about.mirrored else len(self)

    def labels(self) -> Iterator[Tensor]:
        """The masks, uint8 [height, width] each, in the order of the features.

        Raises `ValueError` for a set that was made without.
        """
        if not self.has_labels:
            raise ValueError(f"{self.path} was made to train on: it has no labels to score on")
        flat, start = self._map(LABELS), 0
        for height, width in self.about.original:
            yield flat[start : start + height * width].view(height, width)
            start += height * width

    def verify(self) -> None:
        """Raises `AtrousError` if a file is missing or is not what was written."""
        checksums = self._checksums()
        for name, expected in checksums.items():
            path = self.path / name
            try:
                size = path.stat().st_size
                found = checksum(path)
            except OSError as error:
                raise _damaged(path, str(error)) from error
            if found != expected:
                raise _damaged(path, f"checksum {found} of its {size} bytes is not {expected}")
        self._require_sizes()

    def _checksums(self) -> dict[str, int]:
        names = (*self._files(), LABELS) if self.has_labels else self._files()
        if missing := [name for name in names if name not in self.about.checksums]:
            raise _damaged(self.path / ABOUT, f"it holds no checksum of {missing[0]}")
        return {name: self.about.checksums[name] for name in names}

    def _files(self) -> tuple[str, ...]:
        """The files with an entry for every image."""
        return (*map(features_file, self.strides), TARGETS)

    def _require_sizes(self) -> None:
        """`about.json` has no checksum of its own: its sizes must agree with each other."""
        try:
            placements = self.placements
            placed = all(p == place(p.original, self.crop) for p in placements)
            pixels = sum(p.original[0] * p.original[1] for p in placements)
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise _damaged(self.path / ABOUT, f"it holds no image sizes ({error!r})") from error
        expected = {**dict.fromkeys(self._files(), len(placements)), LABELS: pixels}
        found = {name: self._map(name).shape[0] for name in self._checksums()}
        if not placed or any(expected[name] != length for name, length in found.items()):
            raise _damaged(self.path / ABOUT, "its image sizes are not those of the other files")

    def _map(self, name: str) -> Tensor:
        try:
            array: npt.NDArray[Any] = np.load(self.path / name, mmap_mode="c", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise _damaged(self.path / name, str(error)) from error
        return torch.from_numpy(array)


def features_file(stride: int) -> str:
    """The name of the file with the maps at a stride."""
    return f"features-{stride}.npy"


def checksum(path: Path) -> int:
    """CRC-32 of a file, read in pieces."""
    total, size = 0, path.stat().st_size
    with path.open("rb") as file:
        pieces = iter(lambda: file.read(CHUNK), b"")
        count = -(-size // CHUNK)
        for piece in track(pieces, f"verifying {path.name}", count) if count > 64 else pieces:
            total = zlib.crc32(piece, total)
    return total


def _damaged(path: Path, why: str) -> AtrousError:
    return AtrousError(f"Expected a complete feature file at {path}, but {why}. {_mend(path)}")


def _mend(path: Path) -> str:
    return f"Delete the folder {path.parent}; it is computed again when it is needed."
