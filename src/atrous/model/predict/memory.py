"""The memory that a network needs for an image, and the size of tile that fits.

Bytes; H x W are pixels of the image, K classes.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from atrous.spaces.blueprint import Blueprint, blank_network
from atrous.tasks.segmentation.probabilities import overlap_of, probabilities

PROBE = 257
"""Side in pixels of the image on which a network's memory is measured."""
SMALLEST = 129
"""Side in pixels of the smallest tile that is worth computing."""
SLACK, SPARE = 1.1, 2**27
"""Allocators hold a little more than they are asked for: a factor, and bytes."""
PADDING = 32
"""Networks add up to this many pixels to a side."""
FLOAT = 4
CONVOLUTIONS = ("conv", "mkldnn", "cudnn")
REARRANGING = (*CONVOLUTIONS, "softmax", "_softmax")


def bytes_per_pixel(
    network: nn.Module, scales: Sequence[float], flip: bool, device: str = "cpu"
) -> float:
    """Measures the most memory that `probabilities` holds at any moment, by pixel of the image.

    Measured on a small image at the largest scale: all tensors alive, weights not counted, and
    during a convolution its arguments and result a second time, during a softmax its argument,
    since both rearrange what they are given.
    """
    image = torch.zeros(3, PROBE, PROBE, device=device)
    passes = min(2, len(scales) * (1 + flip))
    with _Watch() as watch:
        probabilities(network, image, [max(scales)] * passes, False, device)
    return float(SLACK * watch.peak / PROBE**2)


def fitting_tile(
    size: tuple[int, int], memory: float, per_pixel: float, classes: int
) -> tuple[int, int] | None:
    """Finds the largest tile (h, w) with which an image of `size` (H, W) fits in `memory` bytes.

    It is the whole image if that fits, else a square; None if even the smallest does not fit.
    """
    if needed(size, size, per_pixel, classes) <= memory:
        return size
    low, high = SMALLEST - 1, max(size)
    while low < high:
        middle = (low + high + 1) // 2
        fits = needed(size, (middle, middle), per_pixel, classes) <= memory
        low, high = (middle, high) if fits else (low, middle - 1)
    return None if low < SMALLEST else (low, low)


def needed(size: tuple[int, int], tile: tuple[int, int], per_pixel: float, classes: int) -> float:
    """Counts the bytes to compute an image of `size` in tiles.

    They are one tile's tensors, and what is kept of its neighbours to be joined with it.
    """
    height, width = (min(side, part) for side, part in zip(size, tile, strict=True))
    joined = FLOAT * classes * overlap_of(tile[0]) * size[1] if height < size[0] else 0
    joined += FLOAT * classes * overlap_of(tile[1]) * height if width < size[1] else 0
    return per_pixel * (height + PADDING) * (width + PADDING) + joined + SPARE


def least(size: tuple[int, int], per_pixel: float, classes: int) -> float:
    """Counts the bytes to compute an image of `size` (H, W) in the smallest tiles."""
    return needed(size, (SMALLEST, SMALLEST), per_pixel, classes)


def inference_memory(blueprint: Blueprint, size: tuple[int, int]) -> int:
    """Counts the most bytes that a network holds at any moment of a pass on one image of `size`
    (H, W): weights, the image, and the tensors alive, as `bytes_per_pixel` counts them. Nothing is
    computed, and nothing stored."""
    network = blank_network(blueprint)
    image = torch.empty(1, 3, *size, device="meta")
    with torch.inference_mode(), _Watch() as watch:
        network(image)
    kept = (*network.parameters(), *network.buffers(), image)
    return int(watch.peak + sum(tensor.nbytes for tensor in kept))


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the storages that torch's operations make; `peak` is the most bytes at one time."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._alive: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in _tensors(result):
            self._follow(tensor.untyped_storage())
        again = _bytes(args) if func.__name__.startswith(REARRANGING) else 0
        again += _bytes(result) if func.__name__.startswith(CONVOLUTIONS) else 0
        self.peak = max(self.peak, sum(self._alive.values()) + again)
        return result

    def _follow(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._alive:
            weakref.finalize(storage, self._alive.pop, key, 0)
        self._alive[key] = storage.nbytes()


def _tensors(values: Any) -> list[Tensor]:
    """Lists the tensors in an operation's arguments or results."""
    if isinstance(values, Tensor):
        return [values]
    return [t for v in values for t in _tensors(v)] if isinstance(values, (list, tuple)) else []


def _bytes(values: Any) -> int:
    return sum(tensor.nbytes for tensor in _tensors(values))
