"""Where images lie on the canvas, and where its pixels lie on the feature map."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from atrous.core.errors import AtrousError
from atrous.data.canvas import (
    LONGEST,
    Size,
    derive_crop,
    feature_size,
    paint,
    parse_size,
    place,
    require_crop,
    sample_labels,
)
from atrous.data.dataset import IGNORE
from tests.cases import each

CROP = (65, 97)
SIZES: list[Size] = [(64, 96), (65, 97), (1, 1), (30, 97), (100, 64), (64, 200), (500, 700), (9, 9)]


@each("stride", [8, 16])
@each("sizes", [[(360, 480)], [(17, 33)], [(1, 1)], [(720, 960), (1080, 90)]])
def test_a_derived_canvas_covers_every_image(sizes: list[Size], stride: int) -> None:
    crop = derive_crop(sizes, stride)
    assert require_crop(crop, stride) == crop
    scale = min(1.0, LONGEST / max(side for size in sizes for side in size))
    for axis in (0, 1):
        covered = max(size[axis] for size in sizes) * scale
        assert covered - 0.5 <= crop[axis] <= max(covered + stride, stride + 1)
    for size in sizes:
        whole = tuple(max(1, round(side * scale)) for side in size)
        assert all(p >= w for p, w in zip(place(size, crop).placed, whole, strict=True))


def test_a_derived_canvas_is_the_smallest() -> None:
    assert derive_crop([(360, 480)], 16) == (369, 481)
    assert derive_crop([(353, 481)], 16) == (353, 481)
    assert derive_crop([(353, 481)], 8) == (353, 481)
    assert derive_crop([(1024, 2048)], 16) == (257, 513)
    assert derive_crop([(2048, 1024), (10, 20)], 8) == (513, 257)
    assert derive_crop([(1024, 2048)], 16, longest=1025) == (513, 1025)


@pytest.mark.parametrize(("text", "size"), [("360x480", (360, 480)), (" 1x12 ", (1, 12))])
def test_sizes_are_read(text: str, size: Size) -> None:
    assert parse_size(text) == size


@each("text", ["", "360", "360x", "x480", "0x480", "00x480", "-1x5", "3x4x5"])
def test_what_is_no_size_is_named(text: str) -> None:
    with pytest.raises(AtrousError, match=r"HEIGHTxWIDTH, such as 360x480, got"):
        parse_size(text)


def test_a_crop_that_does_not_fit_is_told_the_next_that_does() -> None:
    message = r"k \* 16 \+ 1 .* stride is 16; got 360x480.*--crop 369x481"
    with pytest.raises(AtrousError, match=message):
        require_crop((360, 480), 16)
    with pytest.raises(AtrousError, match="--crop 17x17"):
        require_crop((1, 17), 16)
    assert require_crop((369, 481), 16) == (369, 481)
    assert require_crop((361, 481), 8) == (361, 481)


@each("size", SIZES)
def test_images_are_scaled_down_alone_and_keep_their_shape(size: Size) -> None:
    placed = place(size, CROP).placed
    scale = min(1.0, CROP[0] / size[0], CROP[1] / size[1])
    assert all(p <= c for p, c in zip(placed, CROP, strict=True))
    assert all(p <= s for p, s in zip(placed, size, strict=True))
    assert all(abs(p - s * scale) <= 0.5 for p, s in zip(placed, size, strict=True))
    if scale == 1:
        assert placed == size


@each("size", SIZES)
def test_coordinates_are_where_scaling_puts_pixels(size: Size) -> None:
    placement = place(size, CROP)
    for axis in (0, 1):
        found, extent = placement.coordinates(axis), placement.placed[axis]
        assert len(found) == size[axis]
        assert found.min() >= 0
        assert found.max() <= extent - 1
        ramp = Image.fromarray(np.arange(size[axis], dtype=np.float32)[None])
        scaled = np.asarray(ramp.resize((extent, 1), Image.Resampling.BILINEAR))[0]
        inner = slice(2, extent - 2)
        meant = np.interp(np.arange(extent)[inner], found, np.arange(size[axis]))
        np.testing.assert_allclose(meant, scaled[inner], atol=0.1)


def test_an_image_that_fits_is_painted_as_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    canvas = paint(image, place((20, 30), (33, 49)), (33, 49), (1, 2, 3))
    assert canvas.shape == (33, 49, 3)
    np.testing.assert_array_equal(canvas[:20, :30], image)
    assert (canvas[20:] == (1, 2, 3)).all()
    assert (canvas[:, 30:] == (1, 2, 3)).all()


def test_a_large_image_is_painted_smaller() -> None:
    image = np.full((80, 40, 3), 9, np.uint8)
    canvas = paint(image, place((80, 40), (33, 49)), (33, 49), (1, 2, 3))
    assert place((80, 40), (33, 49)).placed == (33, 16)
    assert (canvas[:, :16] == 9).all()
    assert (canvas[:, 16:] == (1, 2, 3)).all()


@each("stride", [1, 4])
@each("size", SIZES)
def test_labels_are_the_nearest_of_the_image_and_ignored_off_it(size: Size, stride: int) -> None:
    mask = np.random.default_rng(0).integers(0, 5, size, dtype=np.uint8)
    placement = place(size, CROP)
    found = sample_labels(mask, placement, CROP, stride, IGNORE)
    assert found.shape == ((CROP[0] - 1) // stride + 1, (CROP[1] - 1) // stride + 1)
    for row, column in np.ndindex(found.shape):
        pixel = (row * stride, column * stride)
        if any(p >= extent for p, extent in zip(pixel, placement.placed, strict=True)):
            assert found[row, column] == IGNORE
            continue
        candidates = [
            np.flatnonzero(np.isclose(distance, distance.min(), atol=1e-3))
            for axis in (0, 1)
            for ratio in [placement.placed[axis] / size[axis]]
            for distance in [np.abs((np.arange(size[axis]) + 0.5) * ratio - 0.5 - pixel[axis])]
        ]
        assert found[row, column] in mask[np.ix_(*candidates)]


def test_labels_of_an_image_that_fits_are_every_fourth() -> None:
    mask = np.random.default_rng(0).integers(0, 5, (65, 97), dtype=np.uint8)
    found = sample_labels(mask, place((65, 97), CROP), CROP, 4, IGNORE)
    np.testing.assert_array_equal(found, mask[::4, ::4])


def test_feature_sizes() -> None:
    assert feature_size((65, 97), 16) == (5, 7)
    assert feature_size((65, 97), 8) == (9, 13)
