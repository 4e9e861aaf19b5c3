"""The decoder of DeepLabv3+."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from atrous.networks.network import Decoder
from tests.parts import Alone


@pytest.mark.parametrize("low", [(9, 13), (17, 25), (1, 1), (1, 5)])
def test_it_gives_the_cells_width_at_the_low_level_maps_size(low: tuple[int, int]) -> None:
    decoder = Decoder({4: 24}, Alone(nn.Identity(), 16)).eval()
    deep = tuple((side - 1) // 4 + 1 for side in low)
    found = decoder({4: torch.randn(2, 24, *low)}, torch.randn(2, 16, *deep))
    assert found.shape == (2, 16, *low)


def test_its_weights_are_those_of_two_separable_convolutions_on_304_channels() -> None:
    low, first, second = 24 * 48, 304 * 9 + 304 * 256, 256 * 9 + 256 * 256
    norms = 2 * (48 + 304 + 256 + 256 + 256)
    decoder = Decoder({4: 24}, Alone(nn.Identity(), 256))
    assert sum(p.numel() for p in decoder.parameters()) == low + first + second + norms


def test_the_cells_output_is_read_with_corners_on_corners() -> None:
    """With the low-level half cut off, what is refined is the interpolated output."""
    decoder = Decoder({4: 3}, Alone(nn.Identity(), 4)).eval()
    heard: list[torch.Tensor] = []
    decoder.refine.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0]))
    deep = torch.randn(1, 4, 3, 4)
    decoder({4: torch.randn(1, 3, 9, 13)}, deep)
    assert heard[0].shape == (1, 52, 9, 13)
    expected = functional.interpolate(deep, size=(9, 13), mode="bilinear", align_corners=True)
    assert torch.equal(heard[0][:, :4], expected)
    assert torch.allclose(heard[0][:, :4, ::4, ::4], deep, atol=1e-6)
