"""An image in overlapping tiles, and their results joined without seams.

K classes, H x W pixels of the image, h x w of a tile.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from atrous.core.console import untracked
from atrous.data.dataset import Progress

SHARE, MOST = 4, 256
"""Neighbours share one pixel in `SHARE` of a tile's side, and `MOST` pixels at most."""


@dataclass(frozen=True)
class Span:
    """Pixels `start` to `stop` of one axis; the first `before` and the last `after` of them belong
    to a neighbour as well."""

    start: int
    stop: int
    before: int
    after: int

    def weights(self, like: Tensor) -> Tensor:
        """What this tile counts at each pixel, [stop - start]: 1, and towards a neighbour a
        straight line down; with the neighbour's, the sum is 1."""
        rise = torch.arange(1, self.before + 1, device=like.device) / (self.before + 1)
        fall = torch.arange(self.after, 0, -1, device=like.device) / (self.after + 1)
        own = torch.ones(self.stop - self.start - self.before - self.after, device=like.device)
        return torch.cat([rise, own, fall])


@dataclass(frozen=True)
class Block:
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
) -> Iterator[Block]:
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
        yield Block(row.start, column.start, seams.join(row, column, found))


class _Seams:
    """What tiles have contributed to pixels that later tiles contribute to as well: `rows` rows
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
