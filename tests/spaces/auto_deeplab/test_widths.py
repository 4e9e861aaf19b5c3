"""The widths of stem and head, and what the layers of a path read."""

from __future__ import annotations

from atrous.spaces.auto_deeplab.trellis import (
    LayerPlan,
    layer_plans,
    low_width,
    stem_widths,
    trunk_channels,
    width_of,
)


def test_a_path_by_hand() -> None:
    """F = 2 and 3 blocks along strides 4, 8, 8, 4; the stem has 8 and 16 channels."""
    assert list(layer_plans((0, 1, 1, 0), 3, 2)) == [
        LayerPlan(x_channels=16, y_channels=8, x_level=0, y_level=-1, filters=2, move=0),
        LayerPlan(x_channels=6, y_channels=16, x_level=0, y_level=0, filters=4, move=1),
        LayerPlan(x_channels=12, y_channels=6, x_level=1, y_level=0, filters=4, move=0),
        LayerPlan(x_channels=12, y_channels=12, x_level=1, y_level=1, filters=2, move=-1),
    ]


def test_a_map_fits_that_is_as_fine_as_the_enlarged_one() -> None:
    fits = [plan.y_fits for plan in layer_plans((0, 1, 1, 0, 1, 0), 1, 1)]
    assert fits == [False, True, False, False, False, True]


def test_a_trunk_has_a_map_at_stride_4() -> None:
    assert trunk_channels((0, 1, 2), 5, 20) == {4: 100, 16: 400}
    assert trunk_channels((1, 2, 3), 5, 20) == {4: 128, 32: 800}
    assert trunk_channels((1, 0), 5, 20) == {4: 100}


def test_widths_are_the_published_ones_from_f_16_on() -> None:
    for filters in (16, 20, 48):
        assert (*stem_widths(filters), width_of(filters), low_width(filters)) == (
            64,
            64,
            128,
            256,
            48,
        )
    assert (*stem_widths(4), width_of(4), low_width(4)) == (16, 16, 32, 64, 12)
