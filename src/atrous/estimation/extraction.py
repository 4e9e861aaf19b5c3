"""Runs a frozen backbone over images and writes a feature set."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from filelock import FileLock

from atrous.core.console import note, track, untracked
from atrous.core.errors import AtrousError
from atrous.core.files import whole_folder
from atrous.core.records import write
from atrous.data.canvas import Placement, Size, feature_size, paint, place, sample_labels
from atrous.data.dataset import IGNORE, Sample, fingerprint, read_image, read_labels
from atrous.data.pixels import Pixels, size_of
from atrous.estimation.features import (
    ABOUT,
    FORMAT,
    LABELS,
    TARGET_STRIDE,
    TARGETS,
    FeatureSet,
    features_file,
)
from atrous.networks.compute import release, require_memory
from atrous.networks.network import Encoder
from atrous.tasks import USUAL
from atrous.tasks.task import Task, as_labelled

BATCH = 8
BYTES = 2
CANVAS = 15
"""Bytes that a pixel of a canvas takes: three of colours, as they are and as numbers."""
COMPUTE = ("torch", "timm", "pillow")
"""Packages that decode images, and compute the maps of a backbone: another version of one may give
other features."""
T = TypeVar("T")
WORTH_TELLING = 10
"""Seconds; for less, the progress alone is shown."""
SPARE = 1.1
"""So much more room is asked for than the arrays take."""


@dataclass(frozen=True)
class Extraction:
    """The makings of a feature set: everything its key depends on, and its images.

    `strides` are those of the maps that somebody reads. With `labels`, it can be scored on;
    without, it takes less room, and can be trained on only. Where `mirrored`, the mirror image of
    each image is passed through the backbone, too, and its mask mirrored with it: its maps see at
    the same offsets as others, as mirrored maps would not. Labels and targets are those of
    the `task`.
    """

    samples: Sequence[Sample]
    backbone: Encoder
    crop: Size
    device: str
    strides: tuple[int, ...]
    labels: bool = True
    mirrored: bool = False
    task: Task = USUAL

    @property
    def views(self) -> list[tuple[Sample, bool]]:
        """Every image, and after all of them every mirror image, if those are asked for."""
        kinds = (False, True) if self.mirrored else (False,)
        return [(sample, mirror) for mirror in kinds for sample in self.samples]

    def key(self) -> dict[str, Any]:
        """Everything the content depends on; the device's rounding is not counted in."""
        # Sets without mirror images, and those of labels as they are, keep the name that they had
        # before there were others.
        mirrored = {"mirrored": True} if self.mirrored else {}
        task = {} if self.task.targets is as_labelled else {"task": self.task.name}
        return (
            mirrored
            | task
            | {
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
        )

    def shapes(self) -> dict[int, tuple[int, int, int, int]]:
        """[N, H, W, C] of the maps by stride."""
        sizes = {stride: feature_size(self.crop, stride) for stride in sorted(self.strides)}
        images, channels = len(self.views), self.backbone.channels
        return {s: (images, height, width, channels[s]) for s, (height, width) in sizes.items()}

    def target_shape(self) -> tuple[int, int, int]:
        """[N, h, w] of the targets."""
        height, width = ((side - 1) // TARGET_STRIDE + 1 for side in self.crop)
        return len(self.views), height, width

    @property
    def told(self) -> str:
        """Which images these are features of."""
        images = f"{len(self.samples)} images"
        return f"{images} and their mirror images" if self.mirrored else images

    def bytes(self) -> int:
        """The room that all arrays take."""
        maps = BYTES * sum(map(prod, self.shapes().values())) + prod(self.target_shape())
        if not self.labels:
            return maps
        return maps + sum(prod(size_of(sample.image)) for sample, _ in self.views)


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
        needed = extraction.bytes()
        _require_room(extraction, needed, path.parent)
        height, width = extraction.crop
        canvases = CANVAS * min(BATCH, len(extraction.views)) * height * width
        what = f"for canvases of {height}x{width}"
        require_memory(canvases, extraction.device, what, "Take a smaller --crop.")
        channels = {str(stride): c for stride, c in extraction.backbone.channels.items()}
        content = key | {"channels": channels} | _write_arrays(extraction, needed, partial)
        number = content.pop("format")
        write(partial / ABOUT, content, number, "features", "Make room, or name a --cache.")


def _require_room(extraction: Extraction, needed: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if SPARE * needed > free:
        raise AtrousError(
            f"The features of {extraction.told} take "
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


def _write_arrays(extraction: Extraction, needed: int, folder: Path) -> dict[str, Any]:
    views = extraction.views
    placements = [place(size_of(sample.image), extraction.crop) for sample, _ in views]
    arrays: list[tuple[str, str, tuple[int, ...]]] = [
        *((features_file(stride), "<f2", shape) for stride, shape in extraction.shapes().items()),
        (TARGETS, "|u1", extraction.target_shape()),
    ]
    if extraction.labels:
        pixels = sum(p.original[0] * p.original[1] for p in placements)
        arrays.append((LABELS, "|u1", (pixels,)))
    total = -(-len(views) // BATCH)
    label = f"features of {extraction.told} ({extraction.backbone.name}), {needed / 1e6:,.0f} MB"
    with ExitStack() as opened:
        files = [
            opened.enter_context(closing(_ArrayFile(folder / name, dtype, extent)))
            for name, dtype, extent in arrays
        ]
        for part in track(_timed(_batches(extraction, placements), total), label, total):
            for file, piece in zip(files, part, strict=True):
                file.append(piece)
    return {
        "checksums": {file.name: file.checksum for file in files},
        "original": [p.original for p in placements],
        "placed": [p.placed for p in placements],
    }


def _timed(batches: Iterator[T], total: int) -> Iterator[T]:
    """Yields the batches; once the first is there, tells how long the others will take, where that
    is worth a line."""
    start = time.monotonic()
    for number, batch in enumerate(batches):
        left = (total - 1) * (time.monotonic() - start)
        if number == 0 and left > WORTH_TELLING:
            note(f"the features will be there in about {left:.0f} s")
        yield batch


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
    crop, backbone = extraction.crop, copy.deepcopy(extraction.backbone).to(extraction.device)
    backbone.cut(extraction.strides)
    backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fill = tuple(round(255 * value) for value in backbone.mean)
    views = extraction.views
    for start in range(0, len(placements), BATCH):
        chosen, placed = views[start : start + BATCH], placements[start : start + BATCH]
        labelled = [_read_mask(s, p) for (s, _), p in zip(chosen, placed, strict=True)]
        images = [read_image(sample.image) for sample, _ in chosen]
        told = map(extraction.task.targets, images, labelled)
        masks = [_seen(mask, m) for mask, (_, m) in zip(told, chosen, strict=True)]
        canvases = [
            paint(_seen(image, m), p, crop, (fill[0], fill[1], fill[2]))
            for image, (_, m), p in zip(images, chosen, placed, strict=True)
        ]
        targets = [
            sample_labels(mask, p, crop, TARGET_STRIDE, IGNORE)
            for mask, p in zip(masks, placed, strict=True)
        ]
        features = _features(extraction, backbone, np.stack(canvases))
        labels = [np.concatenate([mask.ravel() for mask in masks])] if extraction.labels else []
        yield [*features, np.stack(targets), *labels]


def _seen(pixels: Pixels, mirrored: bool) -> Pixels:
    """The pixels [H, W, ...] as they are, or left and right exchanged."""
    return np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels


@torch.inference_mode()
def _features(
    extraction: Extraction, backbone: Encoder, canvases: npt.NDArray[np.uint8]
) -> list[npt.NDArray[np.float16]]:
    """The maps [B, H, W, C] of each stride, the finest first."""
    device = extraction.device
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
