"""The layers of a cell against torch's own, and the weights they start from."""

from __future__ import annotations

from itertools import product
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.nn import functional

from atrous.networks.layers import (
    AtrousDepthwise,
    Dropout,
    GridPoolingUnit,
    PointwiseConvolution,
    PointwiseUnit,
    SeparableUnit,
    averaging,
    grid_means,
    normalise,
)
from tests.cases import each

SIZES = [(1, 1), (2, 3), (5, 7), (8, 8), (9, 4), (33, 17)]
GRIDS = [(1, 1), (2, 2), (4, 1), (3, 8), (8, 8)]


def drawn(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


@each(("size", "grid"), product(SIZES, GRIDS))
def test_grid_means_are_adaptive_average_pooling(
    size: tuple[int, int], grid: tuple[int, int]
) -> None:
    for layout in (torch.contiguous_format, torch.channels_last):
        features = drawn(2, 3, *size).contiguous(memory_format=layout)
        expected = functional.adaptive_avg_pool2d(features, grid)
        torch.testing.assert_close(grid_means(features, grid), expected)


def test_a_grid_finer_than_the_map_repeats_positions() -> None:
    assert averaging(4, 2, torch.empty(0)).tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]
    assert averaging(2, 3, torch.empty(0)).tolist() == [[0.5, 0.5, 0], [0, 0.5, 0.5]]


@pytest.mark.parametrize("grid", [(1, 1), (2, 4), (8, 8)])
@pytest.mark.parametrize("size", [(5, 6), (17, 9)])
def test_grid_pooling_averages_convolves_and_interpolates(
    grid: tuple[int, int], size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    layer = GridPoolingUnit(3, 4, grid).double().eval()
    features = drawn(2, 3, *size)
    weight = cast(nn.Conv2d, layer.convolution[0]).weight
    pooled = functional.conv2d(functional.adaptive_avg_pool2d(features, grid), weight)
    cells = functional.relu(pooled / (1 + 1e-5) ** 0.5)
    expected = functional.interpolate(cells, size, mode="bilinear", align_corners=False)
    # Interpolation weights are of single precision.
    torch.testing.assert_close(layer(features), expected, rtol=1e-5, atol=1e-5)


def test_image_pooling_is_the_same_everywhere() -> None:
    output = GridPoolingUnit(3, 4, (1, 1)).eval()(torch.randn(2, 3, 5, 6))
    torch.testing.assert_close(output, output[:, :, :1, :1].expand_as(output))


@pytest.mark.parametrize("rate", [(1, 1), (1, 6), (18, 15)])
def test_layers_are_torchs_convolutions(rate: tuple[int, int]) -> None:
    features = drawn(2, 3, 7, 9)
    depthwise = AtrousDepthwise(3, rate).double()
    torch.testing.assert_close(depthwise(features), nn.Conv2d.forward(depthwise, features))
    pointwise = PointwiseConvolution(3, 5).double()
    torch.testing.assert_close(pointwise(features), nn.Conv2d.forward(pointwise, features))
    assert depthwise(features).shape == features.shape


def test_a_layer_serves_after_its_shapes_were_inferred() -> None:
    depthwise = AtrousDepthwise(3, (2, 5))
    with FakeTensorMode(allow_non_fake_inputs=True):
        assert depthwise(torch.empty(2, 3, 6, 10)).shape == (2, 3, 6, 10)
    features = torch.randn(2, 3, 6, 10)
    torch.testing.assert_close(depthwise(features), nn.Conv2d.forward(depthwise, features))


def test_separable_layers_normalise_and_rectify_both_halves() -> None:
    kinds = [type(layer) for layer in SeparableUnit(4, 6, (3, 9))]
    half = [nn.BatchNorm2d, nn.ReLU]
    assert kinds == [AtrousDepthwise, *half, PointwiseConvolution, *half]
    assert [type(layer) for layer in PointwiseUnit(4, 6)] == [PointwiseConvolution, *half]


def test_batch_norm_is_as_in_the_reference() -> None:
    norm = normalise(4)
    assert (norm.eps, norm.affine) == (1e-5, True)


def test_no_convolution_has_a_bias() -> None:
    for layer in (
        PointwiseUnit(3, 4),
        SeparableUnit(3, 4, (1, 1)),
        GridPoolingUnit(3, 4, (2, 2)),
    ):
        convolutions = [m for m in layer.modules() if isinstance(m, nn.Conv2d)]
        assert convolutions
        assert all(m.bias is None for m in convolutions)


@pytest.mark.parametrize(("position", "deviation"), [(0, 0.33), (3, 0.06)])
def test_separable_weights_start_truncated_normal(position: int, deviation: float) -> None:
    """Cutting a normal at two deviations leaves 0.8796 of its deviation."""
    torch.manual_seed(0)
    layer = SeparableUnit(2048, 256, (6, 3))[position]
    weight = cast(nn.Conv2d, layer).weight.detach()
    assert weight.std().item() == pytest.approx(0.8796 * deviation, rel=0.02)
    assert abs(weight.mean().item()) < 0.02 * deviation
    assert 1.9 * deviation < weight.abs().max().item() <= 2 * deviation


@pytest.mark.parametrize("layer", [PointwiseUnit(320, 256), GridPoolingUnit(320, 256, (2, 2))])
def test_plain_weights_start_xavier_uniform(layer: nn.Module) -> None:
    (convolution,) = (m for m in layer.modules() if isinstance(m, nn.Conv2d))
    bound = (6 / (320 + 256)) ** 0.5
    assert 0.99 * bound < convolution.weight.abs().max().item() <= bound
    assert convolution.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)


def test_dropout_acts_in_training_alone() -> None:
    torch.manual_seed(0)
    features, dropout = torch.ones(2, 8, 30, 30), Dropout(0.1)
    dropped = dropout(features)
    assert 0.08 < (dropped == 0).double().mean().item() < 0.12
    assert torch.equal(dropout.eval()(features), features)
