"""Dense ASPP: its rates, its widths, and that it is what five branches joined are."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from torch import nn
from torch.nn import functional

from atrous.networks.layers import Dropout
from atrous.spaces.auto_deeplab.aspp import Convolution3x3, DenseAspp, ImagePooling


@pytest.mark.parametrize(
    ("stride", "rates"), [(4, [24, 48, 72]), (8, [12, 24, 36]), (16, [6, 12, 18]), (32, [3, 6, 9])]
)
def test_rates_reach_equally_far_at_every_stride(stride: int, rates: list[int]) -> None:
    aspp = DenseAspp({stride: 5}, 1)
    atrous = [part for part in aspp.branches if isinstance(part, Convolution3x3)]
    assert [cast(nn.Conv2d, part[0]).dilation for part in atrous] == [(r, r) for r in rates]
    assert all(cast(nn.Conv2d, part[0]).groups == 1 for part in atrous)


@torch.no_grad()
def test_it_is_five_branches_joined() -> None:
    torch.manual_seed(0)
    aspp, features = DenseAspp({32: 5}, 1).eval(), torch.randn(2, 5, 7, 9)
    kernels = [part.weight for part in aspp.modules() if type(part) is nn.Conv2d]
    pointwise = [
        p.weight for p in aspp.modules() if isinstance(p, nn.Conv2d) and p.kernel_size == (1, 1)
    ]
    shrink = (1 + 1e-5) ** 0.5
    branches = [
        functional.conv2d(features, pointwise[0]),
        *(
            functional.conv2d(features, k, padding=r, dilation=r)
            for k, r in zip(kernels, (3, 6, 9), strict=True)
        ),
        functional.conv2d(features.mean((2, 3), keepdim=True), pointwise[1]).expand(2, 16, 7, 9),
    ]
    joined = functional.relu(torch.cat(branches, dim=1) / shrink)
    expected = functional.relu(functional.conv2d(joined, pointwise[2]) / shrink)
    torch.testing.assert_close(aspp({32: features}), expected, rtol=1e-4, atol=1e-5)


def test_image_pooling_is_the_same_everywhere() -> None:
    output = ImagePooling(3, 4).eval()(torch.randn(2, 3, 5, 6))
    assert output.shape == (2, 4, 5, 6)
    assert torch.equal(output, output[:, :, :1, :1].expand_as(output))
    assert not torch.equal(output[0], output[1])


@pytest.mark.parametrize(("filters", "width"), [(1, 16), (8, 128), (16, 256), (48, 256)])
def test_it_is_as_wide_as_published_from_f_16_on(filters: int, width: int) -> None:
    with torch.device("meta"):
        aspp = DenseAspp({8: 7}, filters)
        assert aspp({8: torch.empty(2, 7, 3, 4)}).shape == (2, width, 3, 4)


def test_a_tenth_is_dropped_in_training_alone() -> None:
    aspp = DenseAspp({32: 5}, 1)
    (dropout,) = (part for part in aspp.modules() if isinstance(part, Dropout))
    assert dropout.p == 0.1
    maps = {32: torch.randn(2, 5, 4, 4)}
    assert not torch.equal(aspp(maps), aspp(maps))
    assert torch.equal(aspp.eval()(maps), aspp(maps))
