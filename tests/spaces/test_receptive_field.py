"""Rates that a crop is too small to train."""

from __future__ import annotations

from dataclasses import replace

import pytest

from atrous.spaces import find_architecture
from atrous.spaces.blueprint import untrained_rates
from tests.model.material import BLUEPRINT

ASPP = replace(BLUEPRINT, architecture=find_architecture("dpc:aspp"), output_stride=16)


def test_a_crop_smaller_than_the_image_leaves_large_rates_untrained() -> None:
    told = untrained_rates(ASPP, (241, 321), (360, 480))
    assert told is not None
    assert "rates of 18 reach beyond the 16 x 21 positions" in told
    assert "24 x 31 of an image" in told


@pytest.mark.parametrize(
    ("crop", "image"),
    [((369, 481), (360, 480)), ((513, 513), (1024, 2048)), ((97, 97), (97, 97))],
    ids=["whole images", "large crops", "nothing is larger in scoring"],
)
def test_nothing_is_told_where_training_sees_what_scoring_uses(
    crop: tuple[int, int], image: tuple[int, int]
) -> None:
    assert untrained_rates(ASPP, crop, image) is None


def test_a_cell_of_small_rates_takes_small_crops() -> None:
    small = replace(ASPP, architecture=find_architecture("dpc-1:0.1"))
    assert untrained_rates(small, (129, 129), (360, 480)) is None
