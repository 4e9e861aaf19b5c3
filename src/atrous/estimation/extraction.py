"""Runs a frozen backbone over images and writes a feature set."""

from __future__ import annotations

import hashlib
import json
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from filelock import FileLock

from atrous.core.console import track, untracked
from atrous.core.errors import AtrousError
from atrous.core.files import whole_folder
from atrous.core.records import write
from atrous.data.canvas import Placement, Size, feature_size, paint, place, sample_labels
from atrous.data.dataset import IGNORE, Sample, fingerprint, read_image, read_labels
from atrous.data.pixels import size_of
from atrous.estimation.features import (
    ABOUT,
    FORMAT,
    LABELS,
    TARGET_STRIDE,
    TARGETS,
    FeatureSet,
    features_file,
)
from atrous.networks.backbones import Backbone
from atrous.networks.compute import release

BATCH = 8
BYTES = 2
COMPUTE = ("torch", "timm", "pillow")
"""Packages that decode images, and compute the maps of a backbone: another version of one may give
other features."""
SPARE = 1.1
"""So much more room is asked for than the arrays take."""


@dataclass(frozen=True)
class Extraction:
    """The makings of a feature set: everything its key depends on, and its images.

    `strides` are those of the maps that somebody reads. With `labels`, it can be scored on;
    without, it takes less room, and can be trained on only.
    """

    samples: Sequence[Sample]
    backbone: Backbone
    crop: Size
    device: str
    strides: tuple[int, ...]
    labels: bool = True

    def key(self) -> dict[str, Any]:
        """Everything the content depends on; the device's rounding is not counted in."""
        return {
            "format": FORMAT,
            "versions": {name: version(name) for name in COMPUTE},
            "data": fingerprint(self.samples, untracked),
            "backbone": self.backbone.name,
            "weights": self.backbone.weights_digest,
            "output_stride": self.backbone.output_stride,
            "crop": list(self.crop),
            "strides": sorted(self.strides),
            "labels": self.labels,
            "normalisation": [list(self.backbone.mean), list(self.backbone.std)],
        }

    def shapes(self) -> dict[int, tuple[int, int, int, int]]:
        """[N, H, W, C] of the maps by stride."""
        sizes = {stride: feature_size(self.crop, stride) for stride in sorted(self.strides)}
        images, channels = len(self.samples), self.backbone.channels
        return {s: (images, height, width, channels[s]) for s, (height, width) in sizes.items()}

    def target_shape(self) -> tuple[int, int, int]:
        """[N, h, w] of the targets."""
        height, width = ((side - 1) // TARGET_STRIDE + 1 for side in self.crop)
        return len(self.samples), height, width


def cached_features(extraction: Extraction, cache: Path) -> FeatureSet:
    """The feature set, from the cache if it is there and sound, else computed and put there.

    Raises `AtrousError` if the cache cannot be written, has no room, or is damaged.
    """
    missing = set(extraction.strides) - set(extraction.backbone.channels)
    if missing:
        raise AtrousError(
            f"Expected a --backbone with maps at stride {', '.join(map(str, sorted(missing)))}, "
            f"which the architectures read; {extraction.backbone.name} has those at "
            f"{', '.join(map(str, extraction.backbone.channels))}."
        )
    key = extraction.key()
    digest = hashlib.blake2b(json.dumps(key, sort_keys=True).encode(), digest_size=12).hexdigest()
    path = cache / "features" / digest
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                try:
                    _write(extraction, key, path)
                finally:  # the memory of a GPU is the workers' from now on
                    extraction.backbone.to("cpu")
                    release(extraction.device)
    except OSError as error:
        raise AtrousError(
            f"Expected to write features to {path.parent}, but {error}. Name a folder that can be "
            "written with --cache."
        ) from error
    found = FeatureSet(path)
    found.verify()
    return found


def _write(extraction: Extraction, key: dict[str, Any], path: Path) -> None:
    with whole_folder(path) as partial:
        _require_room(extraction, partial)
        channels = {str(stride): c for stride, c in extraction.backbone.channels.items()}
        content = key | {"channels": channels} | _write_arrays(extraction, partial)
        number = content.pop("format")
        write(partial / ABOUT, content, number, "features", "Make room, or name a --cache.")


def _require_room(extraction: Extraction, folder: Path) -> None:
    needed = BYTES * sum(map(prod, extraction.shapes().values())) + prod(extraction.target_shape())
    if extraction.labels:
        needed += sum(prod(size_of(sample.image)) for sample in extraction.samples)
    free = shutil.disk_usage(folder).free
    if SPARE * needed > free:
        raise AtrousError(
            f"The features of {len(extraction.samples)} images take "
            f"{needed / 1e6:,.0f} MB, but "
            f"{folder} has {free / 1e6:,.0f} MB free. Make room, name another folder with --cache, "
            "or take a smaller --crop."
        )


class _ArrayFile:
    """An .npy file written piece by piece, with its checksum."""

    def __init__(self, path: Path, dtype: str, shape: tuple[int, ...]) -> None:
        self.name = path.name
        self._file: BinaryIO = path.open("wb+")
        header = {"descr": dtype, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)
        self._file.seek(0)
        self.checksum = zlib.crc32(self._file.read())

    def append(self, piece: npt.NDArray[Any]) -> None:
        content = piece.tobytes()
        self._file.write(content)
        self.checksum = zlib.crc32(content, self.checksum)

    def close(self) -> None:
        self._file.close()


def _write_arrays(extraction: Extraction, folder: Path) -> dict[str, Any]:
    placements = [place(size_of(sample.image), extraction.crop) for sample in extraction.samples]
    arrays: list[tuple[str, str, tuple[int, ...]]] = [
        *((features_file(stride), "<f2", shape) for stride, shape in extraction.shapes().items()),
        (TARGETS, "|u1", extraction.target_shape()),
    ]
    if extraction.labels:
        pixels = sum(p.original[0] * p.original[1] for p in placements)
        arrays.append((LABELS, "|u1", (pixels,)))
    images = len(placements)
    label = f"features of {images} images ({extraction.backbone.name})"
    with ExitStack() as opened:
        files = [
            opened.enter_context(closing(_ArrayFile(folder / name, dtype, extent)))
            for name, dtype, extent in arrays
        ]
        for part in track(_batches(extraction, placements), label, -(-images // BATCH)):
            for file, piece in zip(files, part, strict=True):
                file.append(piece)
    return {
        "checksums": {file.name: file.checksum for file in files},
        "original": [p.original for p in placements],
        "placed": [p.placed for p in placements],
    }


def _read_mask(sample: Sample, placement: Placement) -> npt.NDArray[np.uint8]:
    mask = read_labels(sample)
    if mask.shape != placement.original:
        sizes = ["x".join(map(str, size)) for size in (placement.original, mask.shape)]
        raise AtrousError(
            f"Expected a mask of the {sizes[0]} pixels of its image at {sample.mask}, got "
            f"{sizes[1]}. Export it again at the size of {sample.image}."
        )
    return mask


def _batches(
    extraction: Extraction, placements: list[Placement]
) -> Iterator[list[npt.NDArray[Any]]]:
    """Features [B, H, W, C] of each stride, targets [B, h, w] and labels, flat, of a few images
    at a time."""
    crop, backbone = extraction.crop, extraction.backbone.to(extraction.device)
    backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fill = tuple(round(255 * value) for value in backbone.mean)
    for start in range(0, len(placements), BATCH):
        chosen = slice(start, start + BATCH)
        samples, placed = extraction.samples[chosen], placements[chosen]
        masks = [_read_mask(s, p) for s, p in zip(samples, placed, strict=True)]
        canvases = [
            paint(read_image(s.image), p, crop, (fill[0], fill[1], fill[2]))
            for s, p in zip(samples, placed, strict=True)
        ]
        targets = [
            sample_labels(mask, p, crop, TARGET_STRIDE, IGNORE)
            for mask, p in zip(masks, placed, strict=True)
        ]
        features = _features(extraction, np.stack(canvases))
        labels = [np.concatenate([mask.ravel() for mask in masks])] if extraction.labels else []
        yield [*features, np.stack(targets), *labels]


@torch.inference_mode()
def _features(
    extraction: Extraction, canvases: npt.NDArray[np.uint8]
) -> list[npt.NDArray[np.float16]]:
    """The maps [B, H, W, C] of each stride, the finest first."""
    backbone, device = extraction.backbone, extraction.device
    images = torch.from_numpy(canvases).to(device).permute(0, 3, 1, 2) / 255
    mean, std = (
        torch.tensor(v, device=device).view(-1, 1, 1) for v in (backbone.mean, backbone.std)
    )
    maps = backbone((images - mean) / std)
    half = [
        maps[stride].permute(0, 2, 3, 1).to("cpu", torch.float16).contiguous()
        for stride in sorted(extraction.strides)
    ]
    if not all(torch.isfinite(each).all() for each in half):
        raise AtrousError(
            f"Backbone {backbone.name} gives features that are not finite in half precision: its "
            "weights do not fit these images. Try other --weights or another --backbone."
        )
    return [each.numpy() for each in half]
