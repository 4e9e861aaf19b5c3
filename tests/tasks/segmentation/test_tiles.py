"""Tiles over an image, and what they find joined to one whole."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch import Tensor

from atrous.tasks.segmentation.probabilities import JoinedBlock, blocks, overlap_of, plan_tiles
from tests.cases import each

SIZES = [(1, 8), (8, 8), (9, 8), (100, 16), (257, 64), (1000, 65), (3001, 129), (12000, 1400)]


@each(("size", "tile"), SIZES)
def test_tiles_cover_an_axis_and_no_pixel_is_in_three(size: int, tile: int) -> None:
    spans = plan_tiles(size, tile, overlap_of(tile))
    covered = torch.zeros(size, dtype=torch.int64)
    for span in spans:
        covered[span.start : span.stop] += 1
        assert span.stop - span.start <= tile
    assert covered.min() == 1
    assert covered.max() <= 2
    assert sum(span.before for span in spans) == int((covered == 2).sum())


@each(("size", "tile"), SIZES)
def test_weights_add_up_to_one_at_every_pixel(size: int, tile: int) -> None:
    total = torch.zeros(size)
    for span in plan_tiles(size, tile, overlap_of(tile)):
        total[span.start : span.stop] += span.weights(total)
    torch.testing.assert_close(total, torch.ones(size))


@each(("size", "tile"), SIZES)
def test_neighbours_share_what_was_asked_and_tiles_are_as_few_as_can_be(
    size: int, tile: int
) -> None:
    overlap = overlap_of(tile)
    spans = plan_tiles(size, tile, overlap)
    assert all(span.after in (overlap, overlap + 1) for span in spans[:-1])
    fewer = len(spans) - 1
    assert fewer == 0 or fewer * tile - (fewer - 1) * overlap < size


def test_overlaps_that_three_tiles_would_share_are_refused() -> None:
    with pytest.raises(ValueError, match="0 to 8 pixels, got 9"):
        plan_tiles(100, 32, 9)


def joined(size: tuple[int, int], tile: tuple[int, int], values: Tensor | None = None) -> Tensor:
    """`values` [K, H, W] taken apart and put together; without, tiles that are all 0 or all 1 in
    turn. Fails unless each pixel is given exactly once."""
    numbers = iter(range(10**6))

    def predict(rows: slice, columns: slice) -> Tensor:
        if values is not None:
            return values[:, rows, columns].clone()
        shape = (1, rows.stop - rows.start, columns.stop - columns.start)
        return torch.full(shape, float(next(numbers) % 2))

    result = torch.full((1 if values is None else len(values), *size), torch.nan)
    for block in blocks(predict, size, tile):
        place = result[_place(block)]
        assert place.isnan().all()
        place.copy_(block.probabilities)
    assert not result.isnan().any()
    return result


def _place(block: JoinedBlock) -> tuple[slice, slice, slice]:
    height, width = block.probabilities.shape[1:]
    return (
        slice(None),
        slice(block.top, block.top + height),
        slice(block.left, block.left + width),
    )


@each("size", [(30, 30), (100, 37), (37, 100), (64, 129), (200, 1)])
@each("tile", [(32, 32), (16, 40), (40, 16)])
def test_blocks_give_every_pixel_once_and_unchanged(
    size: tuple[int, int], tile: tuple[int, int]
) -> None:
    values = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(joined(size, tile, values), values)


def test_tiles_that_disagree_fade_into_each_other() -> None:
    result = joined((100, 180), (64, 64))[0]
    steps = torch.cat([result.diff(dim=0).flatten(), result.diff(dim=1).flatten()]).abs()
    assert result.min() == 0
    assert result.max() == 1
    assert steps.max() < 1.01 / (overlap_of(64) + 1)


def test_only_a_tile_and_its_seams_are_held() -> None:
    height, width, tile, classes = 3000, 40, 32, 2
    alive: weakref.WeakSet[Tensor] = weakref.WeakSet()

    def predict(rows: slice, columns: slice) -> Tensor:
        found = torch.zeros(classes, rows.stop - rows.start, columns.stop - columns.start)
        alive.add(found)
        return found

    for block in blocks(predict, (height, width), (tile, tile)):
        assert len(alive) <= 2
        assert block.probabilities.untyped_storage().nbytes() <= 4 * classes * tile * tile
