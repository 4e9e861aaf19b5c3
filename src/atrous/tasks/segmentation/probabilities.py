"""Class probabilities of every pixel of an image, also of one too large for one pass: in tiles.

K classes, H x W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.core.console import untracked
from atrous.data.dataset import IGNORE, Progress


def probabilities(
    network: nn.Module,
    image: Tensor,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    device: str = "cpu",
    tile: int | None = None,
) -> Tensor:
    """Class probabilities of a normalised image [3, H, W]: float32 [K, H, W], on `device`.

    Several scales, and left-right flips, as in Chen et al. 2018, section 4: the image is resized
    bilinearly by each scale, the logits are resized bilinearly back, and the softmax of each is
    averaged. A side of n pixels becomes (n - 1) * scale + 1, and corners stay corners, as in the
    reference implementation. The network is moved to `device`; it computes in eval mode, and its
    modules are left in the modes they were in.

    With `tile`, an image with a longer side is computed in overlapping tiles of at most that many
    pixels a side, each as if it were an image, and joined without seams (`tiles.py`).
    """
    network.to(device)
    image = image.to(device, torch.float32)
    if tile is None or max(image.shape[1:]) <= tile:
        return _whole(network, image, scales, flip)
    return _tiled(network, image, scales, flip, tile)


def _tiled(
    network: nn.Module, image: Tensor, scales: Sequence[float], flip: bool, tile: int
) -> Tensor:
    height, width = image.shape[1:]
    result: Tensor | None = None
    for block in blocks(
        lambda rows, columns: _whole(network, image[:, rows, columns], scales, flip),
        (height, width),
        (tile, tile),
    ):
        found = block.probabilities
        if result is None:
            result = found.new_empty(len(found), height, width)
        bottom, right = block.top + found.shape[1], block.left + found.shape[2]
        result[:, block.top : bottom, block.left : right] = found
    assert result is not None
    return result


def _whole(network: nn.Module, image: Tensor, scales: Sequence[float], flip: bool) -> Tensor:
    with evaluating(network):
        total, passes = _total(network, image, scales, flip), len(scales) * (1 + flip)
    return total / passes if passes > 1 else total


@torch.no_grad()  # not inference_mode: the result is for others to go on with, without a copy
def _total(network: nn.Module, image: Tensor, scales: Sequence[float], flip: bool) -> Tensor:
    """The sum of the softmaxes over scales and flips."""
    total: Tensor | None = None
    for scale in scales:
        scaled = resized(image[None], [scaled_side(side, scale) for side in image.shape[-2:]])
        if scaled.device.type == "cpu":  # convolutions are faster so
            scaled = scaled.contiguous(memory_format=torch.channels_last)
        for flipped in (False, True) if flip else (False,):
            found: Tensor = network(scaled.flip(-1) if flipped else scaled)
            found = resized(found.float(), image.shape[-2:]).softmax(1)[0]
            found = found.flip(-1) if flipped else found
            total = found if total is None else total.add_(found)
    if total is None:
        raise ValueError("expected at least one scale")
    return total


def scaled_side(side: int, scale: float) -> int:
    """A side of an image, in pixels, after scaling; at least 1."""
    return max(1, int((side - 1) * scale + 1))


def resized(images: Tensor, size: Sequence[int]) -> Tensor:
    """[B, C, H, W] resized bilinearly, corners on corners; the same tensor if it has that size."""
    if tuple(images.shape[-2:]) == tuple(size):
        return images
    return functional.interpolate(images, size=list(size), mode="bilinear", align_corners=True)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode, and afterwards every module in its own earlier mode."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


SHARE, MOST = 4, 160
"""Neighbours share one pixel in `SHARE` of a tile's side, and `MOST` pixels at most: a border
disturbs what is computed some 200 pixels inwards, most of it in the outer 80."""


@dataclass(frozen=True)
class Span:
    """Pixels `start` to `stop` of one axis; the first `before` and the last `after` of them belong
    to a neighbour as well."""

    start: int
    stop: int
    before: int
    after: int

    def weights(self, like: Tensor) -> Tensor:
        """How much this tile counts at each pixel, [stop - start]: 1, and towards a neighbour a
        straight line down; with the neighbour's, the sum is 1."""
        rise = torch.arange(1, self.before + 1, device=like.device) / (self.before + 1)
        fall = torch.arange(self.after, 0, -1, device=like.device) / (self.after + 1)
        own = torch.ones(self.stop - self.start - self.before - self.after, device=like.device)
        return torch.cat([rise, own, fall])


@dataclass(frozen=True)
class JoinedBlock:
    """Finished class probabilities [K, h, w], whose first pixel is (top, left) of the image."""

    top: int
    left: int
    probabilities: Tensor


def overlap_of(tile: int) -> int:
    """How many pixels neighbouring tiles of this side share."""
    return min(MOST, tile // SHARE)


def plan_tiles(size: int, tile: int, overlap: int) -> tuple[Span, ...]:
    """Equal tiles over an axis of `size` pixels: no longer than `tile`, as few as possible, with
    `overlap` pixels (or one more) between neighbours. `overlap` is at most a quarter of a tile, so
    that no pixel is in three."""
    if size < 1 or not 0 <= overlap <= tile // SHARE:
        raise ValueError(f"expected an overlap of 0 to {tile // SHARE} pixels, got {overlap}")
    if size <= tile:
        return (Span(0, size, 0, 0),)
    # As few tiles as will do, then each as short as so many may be: equal tiles, no thin last one.
    count = math.ceil((size - overlap) / (tile - overlap))
    side = math.ceil((size + (count - 1) * overlap) / count)
    starts = [number * (size - side) // (count - 1) for number in range(count)]
    shared = [0, *(a + side - b for a, b in pairwise(starts)), 0]
    return tuple(Span(starts[n], starts[n] + side, *shared[n : n + 2]) for n in range(count))


def blocks(
    predict: Callable[[slice, slice], Tensor],
    size: tuple[int, int],
    tile: tuple[int, int],
    progress: Progress = untracked,
) -> Iterator[JoinedBlock]:
    """The class probabilities of an image of `size` (H, W), in blocks that cover it exactly.

    `predict` gives those of the pixels in a slice of rows and one of columns, [K, h, w]; `tile` is
    (h, w). Tiles come in rows from top to bottom. Besides one tile, only the last row's overlap is
    held: K x overlap x W numbers.
    """
    rows, columns = (
        plan_tiles(side, part, overlap_of(part)) for side, part in zip(size, tile, strict=True)
    )
    seams = _Seams(max(row.after for row in rows), size[1])
    tiles = [(row, column) for row in rows for column in columns]
    for row, column in progress(tiles, "predicting", len(tiles)):
        found = predict(slice(row.start, row.stop), slice(column.start, column.stop))
        yield JoinedBlock(row.start, column.start, seams.join(row, column, found))


class _Seams:
    """All that tiles have contributed to pixels that later tiles contribute to as well: `rows` rows
    along the whole width above, and the columns to the left."""

    def __init__(self, rows: int, width: int) -> None:
        self._size = (rows, width)
        self._above: Tensor | None = None
        self._left: Tensor | None = None

    def join(self, row: Span, column: Span, found: Tensor) -> Tensor:
        """The finished pixels of a tile: all but those shared with the tiles right and below."""
        height, width = found.shape[1:]
        weighted = found * row.weights(found)[:, None]
        weighted *= column.weights(found)
        # First the columns that the left neighbour shares, then, of what is whole by columns, the
        # rows of the tiles above: a corner where four tiles meet gets all four shares so.
        if column.before and self._left is not None:
            weighted[:, :, : column.before] += self._left
        self._left = weighted[:, :, width - column.after :].clone()
        whole = weighted[:, :, : width - column.after]
        if self._above is None:
            self._above = whole.new_zeros(len(whole), *self._size)
        above = self._above[:, :, column.start : column.stop - column.after]
        whole[:, : row.before] += above[:, : row.before]
        above[:, : row.after] = whole[:, height - row.after :]
        return whole[:, : height - row.after]


def class_scores(channels: int, classes: int, kernel: int = 1) -> nn.Conv2d:
    """The last layer, with first weights as in the reference implementation."""
    layer = nn.Conv2d(channels, classes, kernel, padding=kernel // 2)
    nn.init.trunc_normal_(layer.weight, std=0.01, a=-0.02, b=0.02)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def summed_loss(scores: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """The cross-entropy of scores [B, K, H, W] at targets [B, H, W], summed over all that are not
    ignored, each with its class's weight."""
    return functional.cross_entropy(
        scores.float(), targets, weights, ignore_index=IGNORE, reduction="sum"
    )


def labelled(labels: Tensor) -> Tensor:
    """How many pixels are not ignored, a scalar."""
    return (labels != IGNORE).sum()
