"""The fast roads on a CPU are torch's layers in value and gradient."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from atrous.networks.fast_cpu import (
    byte_dropout,
    depthwise_5x5_gradient,
    phased_depthwise,
    pointwise,
)
from atrous.networks.layers import AtrousDepthwise, separable
from atrous.spaces.dpc.space import RATES
from tests.cases import each

MAPS = [(23, 31), (5, 7), (1, 1), (1, 9)]
LAYOUTS = [torch.contiguous_format, torch.channels_last]
Layer = Callable[[Tensor, Tensor], Tensor]


def drawn(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def assert_same(layer: Layer, reference: Layer, features: Tensor, weight: Tensor) -> None:
    """Output, and the gradients for features and weight of a weighted sum of it."""
    found, expected = (gradients(function, features, weight) for function in (layer, reference))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def gradients(layer: Layer, features: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    features, weight = (t.detach().clone().requires_grad_() for t in (features, weight))
    output = layer(features, weight)
    by_features, by_weight = torch.autograd.grad(
        (output * drawn(*output.shape)).sum(), (features, weight)
    )
    return output.detach(), by_features, by_weight


@each("layout", LAYOUTS)
@each("size", MAPS)
def test_pointwise_is_a_1x1_convolution(size: tuple[int, int], layout: torch.memory_format) -> None:
    features = drawn(2, 6, *size).contiguous(memory_format=layout)
    assert_same(pointwise, functional.conv2d, features, drawn(4, 6, 1, 1))


@each("size", MAPS)
@each("rate", product(RATES, RATES))
def test_phased_depthwise_is_an_atrous_convolution(
    rate: tuple[int, int], size: tuple[int, int]
) -> None:
    def reference(features: Tensor, weight: Tensor) -> Tensor:
        return functional.conv2d(features, weight, padding=rate, dilation=rate, groups=3)

    features = drawn(2, 3, *size).contiguous(memory_format=torch.channels_last)
    assert_same(lambda x, w: phased_depthwise(x, w, rate), reference, features, drawn(3, 1, 3, 3))


@each("rate", [(1, 6), (3, 2), (6, 6)])
def test_wider_kernels_are_phased_alike(rate: tuple[int, int]) -> None:
    def reference(features: Tensor, weight: Tensor) -> Tensor:
        padding = (2 * rate[0], 2 * rate[1])
        return functional.conv2d(features, weight, padding=padding, dilation=rate, groups=3)

    features = drawn(2, 3, 11, 7).contiguous(memory_format=torch.channels_last)
    assert_same(lambda x, w: phased_depthwise(x, w, rate), reference, features, drawn(3, 1, 5, 5))


def test_phased_depthwise_takes_either_layout_and_gives_channels_last() -> None:
    features, weight = drawn(2, 3, 9, 8), drawn(3, 1, 3, 3)
    last = phased_depthwise(features.contiguous(memory_format=torch.channels_last), weight, (3, 6))
    torch.testing.assert_close(phased_depthwise(features, weight, (3, 6)), last)
    assert last.is_contiguous(memory_format=torch.channels_last)


def test_phased_depthwise_trains_after_it_has_served() -> None:
    """What is kept from the first call for a size must serve a second that wants gradients."""
    features, weight, rate = drawn(3, 2, 6, 5), drawn(2, 1, 3, 3), (3, 4)
    with torch.inference_mode():
        served = phased_depthwise(features, weight, rate)
    trained, by_features, _ = gradients(lambda x, w: phased_depthwise(x, w, rate), features, weight)
    torch.testing.assert_close(trained, served.clone())
    assert by_features.all()


def test_they_stay_on_the_cpu_whatever_the_default_device() -> None:
    features, weight = drawn(1, 2, 11, 3), drawn(2, 1, 3, 3)
    with torch.device("meta"):
        assert phased_depthwise(features, weight, (5, 2)).device.type == "cpu"
        assert byte_dropout(features, 0.5).device.type == "cpu"


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(probability: float) -> None:
    torch.manual_seed(0)
    dropped = byte_dropout(torch.ones(400_003), probability)
    share = (dropped == 0).double().mean().item()
    expected = round(256 * probability) / 256
    assert abs(share - expected) < 4 * (expected * (1 - expected) / 400_003) ** 0.5
    assert abs(expected - probability) <= 1 / 512
    assert set(dropped.tolist()) == {0.0, torch.tensor(1 / (1 - expected)).item()}


def test_dropout_of_nothing_and_of_everything() -> None:
    features = torch.randn(3, 5)
    assert torch.equal(byte_dropout(features, 0.0), features)
    for probability in (0.999, 1.0):
        assert torch.equal(byte_dropout(features, probability), torch.zeros(3, 5))


def test_the_dropout_mask_depends_on_the_seed_alone() -> None:
    def mask(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return byte_dropout(torch.ones(1000), 0.5)

    assert torch.equal(mask(1), mask(1))
    assert not torch.equal(mask(1), mask(2))


def test_neighbouring_elements_are_dropped_independently() -> None:
    torch.manual_seed(3)
    kept = (byte_dropout(torch.ones(80_000), 0.5) > 0).double() - 0.5
    for distance in (1, 2, 3, 4, 7, 8, 16):
        correlation = 4 * (kept[distance:] * kept[:-distance]).mean().item()
        assert abs(correlation) < 4 / 80_000**0.5


def views(features: Tensor) -> dict[str, Tensor]:
    """Ways a [2, 8, 6, 10] tensor may lie in memory."""
    return {
        "plain": features.contiguous(),
        "channels last": features.contiguous(memory_format=torch.channels_last),
        "part": features[:, :, 1:4],
        "every other": features[:, ::2, :, ::3],
        "turned": features.transpose(1, 3),
        "repeated": features[:, :1].expand(2, 8, 6, 10),
    }


@pytest.mark.parametrize("view", views(torch.empty(2, 8, 6, 10)))
def test_dropout_serves_any_memory_layout(view: str) -> None:
    torch.manual_seed(4)
    features = views(torch.rand(2, 8, 6, 10) + 1)[view].requires_grad_()
    dropped = byte_dropout(features, 0.5)
    (gradient,) = torch.autograd.grad(dropped.sum(), features)
    assert set(gradient.flatten().tolist()) == {0.0, 2.0}
    assert torch.equal(dropped, features * gradient)
    share = (gradient == 0).double().mean().item()
    assert abs(share - 0.5) < 2.5 / gradient.numel() ** 0.5


@each("channels", [64, 320, 960])
@each("rate", [(1, 1), (2, 2), (6, 3), (18, 15)])
def test_a_bfloat16_gradient_of_an_atrous_convolution_is_right(
    rate: tuple[int, int], channels: int
) -> None:
    """torch 2.13's own is not: channels last, 960 channels, 24 x 31 positions, rate 2."""
    layer = AtrousDepthwise(channels, rate)
    with torch.no_grad():
        layer.weight.copy_(drawn(channels, 1, 3, 3))
    features = drawn(4, channels, 24, 31).float().contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        (found,) = torch.autograd.grad(layer(features.bfloat16()).float().sum(), layer.weight)
    exact = functional.conv2d(features, layer.weight, padding=rate, dilation=rate, groups=channels)
    (expected,) = torch.autograd.grad(exact.sum(), layer.weight)
    assert float((found - expected).abs().max() / expected.abs().max()) < 0.02


@each("kernel", [3, 5])
def test_so_is_that_of_a_separable_convolution(kernel: int) -> None:
    """torch's own is off by more than its size, for 32 channels on 17 x 25 positions, too."""
    layer = separable(32, 32, kernel, 3)[0]
    assert isinstance(layer, AtrousDepthwise)
    features = drawn(4, 32, 17, 25).float().contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        (found,) = torch.autograd.grad(layer(features.bfloat16()).float().sum(), layer.weight)
    padding = 3 * (kernel // 2)
    exact = functional.conv2d(features, layer.weight, padding=padding, dilation=3, groups=32)
    (expected,) = torch.autograd.grad(exact.sum(), layer.weight)
    assert float((found - expected).abs().max() / expected.abs().max()) < 0.02


@pytest.mark.parametrize("size", [(5, 9), (8, 6), (1, 3)])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_gradient_of_a_5x5_depthwise_convolution_is_that_of_torch(
    size: tuple[int, int], stride: int
) -> None:
    maps = torch.randn(2, 3, *size, dtype=torch.float64)
    weight = torch.randn(3, 1, 5, 5, dtype=torch.float64, requires_grad=True)
    result = functional.conv2d(maps, weight, None, stride, 2, groups=3)
    gradient = torch.randn_like(result)
    (expected,) = torch.autograd.grad(result, weight, gradient)
    assert torch.allclose(depthwise_5x5_gradient(gradient, maps, stride), expected)
