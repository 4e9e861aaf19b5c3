"""The dense decoder: what it joins, and how wide it is."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from torch import nn
from torch.nn import functional

from atrous.spaces.auto_deeplab.aspp import DenseDecoder
from tests.parts import Alone


@torch.no_grad()
def test_it_joins_the_low_map_with_the_deep_one_spread() -> None:
    decoder = DenseDecoder({4: 5}, Alone(nn.Identity(), 16), 1).eval()
    low, deep = torch.randn(2, 5, 9, 13), torch.randn(2, 16, 5, 7)
    spread = functional.interpolate(deep, (9, 13), mode="bilinear", align_corners=True)
    maps = torch.cat([spread, decoder.low(low)], dim=1)
    for layer in decoder.refine:
        kernel = cast(nn.Conv2d, layer.get_submodule("0")).weight
        assert kernel.shape == (16, maps.shape[1], 3, 3)
        maps = functional.relu(functional.conv2d(maps, kernel, padding=1) / (1 + 1e-5) ** 0.5)
    torch.testing.assert_close(decoder({4: low}, deep), maps, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("filters", "width", "low"), [(1, 16, 3), (8, 128, 24), (16, 256, 48), (32, 256, 48)]
)
def test_it_is_as_wide_as_published_from_f_16_on(filters: int, width: int, low: int) -> None:
    with torch.device("meta"):
        decoder = DenseDecoder({4: 7}, Alone(nn.Identity(), width), filters)
        assert decoder.low(torch.empty(2, 7, 5, 5)).shape[1] == low
        joined = decoder({4: torch.empty(2, 7, 5, 5)}, torch.empty(2, width, 3, 3))
    assert joined.shape == (2, width, 5, 5)
