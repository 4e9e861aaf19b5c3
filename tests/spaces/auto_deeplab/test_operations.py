"""The operations of the repeated cell, against the same arithmetic in numpy."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
import torch
from torch import nn

from atrous.spaces.auto_deeplab.cell import OPERATIONS, Operation
from atrous.spaces.auto_deeplab.trunk import Projection, doubled, make_operation, resized
from tests.cases import each
from tests.networks.plain import applied, interpolated, projected, unsettled

SIZES = [(1, 1), (2, 3), (5, 7), (6, 9)]


def drawn(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


@each("size", SIZES)
@each("stride", [1, 2])
@each("operation", OPERATIONS)
@torch.no_grad()
def test_an_operation_is_what_it_is_said_to_be(
    operation: Operation, stride: int, size: tuple[int, int]
) -> None:
    module, maps = unsettled(make_operation(operation, 3, stride)), drawn(2, 3, *size)
    found, given = module(maps), maps.clone()
    assert found.shape == (2, 3, *((side + stride - 1) // stride for side in size))
    np.testing.assert_allclose(found, applied(operation, module, maps.numpy(), stride), atol=1e-12)
    assert torch.equal(maps, given), "an operation has changed what others read, too"


@each(
    ("operation", "stride", "parameters"),
    [
        (Operation.SEPARABLE_3, 1, 2 * (9 * 4 + 16 + 8)),
        (Operation.SEPARABLE_5, 2, 2 * (25 * 4 + 16 + 8)),
        (Operation.ATROUS_3, 1, 9 * 16 + 8),
        (Operation.ATROUS_5, 2, 25 * 16 + 8),
        (Operation.AVERAGE, 2, 0),
        (Operation.MAXIMUM, 1, 0),
        (Operation.SKIP, 1, 0),
        (Operation.SKIP, 2, 16 + 8),
    ],
)
def test_parameters_by_hand(operation: Operation, stride: int, parameters: int) -> None:
    module = make_operation(operation, 4, stride)
    assert sum(p.numel() for p in module.parameters()) == parameters


@pytest.mark.parametrize("stride", [1, 2])
def test_atrous_convolutions_are_dense(stride: int) -> None:
    """A public implementation makes them depthwise-separable, which nearly halves the network."""
    for operation, kernel in ((Operation.ATROUS_3, 3), (Operation.ATROUS_5, 5)):
        module = make_operation(operation, 6, stride)
        (convolution,) = (part for part in module.modules() if isinstance(part, nn.Conv2d))
        assert convolution.weight.shape == (6, 6, kernel, kernel)


def test_an_atrous_convolution_sees_every_second_position() -> None:
    """With all weights 1, an impulse answers 3 x 3 times, two positions apart."""
    module = make_operation(Operation.ATROUS_3, 1, 1).eval()
    torch.nn.init.ones_(module.get_submodule("convolution").weight)  # type: ignore[arg-type]
    impulse = torch.zeros(1, 1, 9, 9)
    impulse[0, 0, 4, 4] = 1
    there = module(impulse)[0, 0].nonzero().tolist()
    assert there == [[r, c] for r in (2, 4, 6) for c in (2, 4, 6)]


def test_first_weights_are_uniform_with_variance_a_third_of_fan_in() -> None:
    """Of depthwise kernels the fan-in is that of all channels, as the reference has it."""
    for operation in OPERATIONS[:4]:
        for part in make_operation(operation, 64, 1).modules():
            if isinstance(part, nn.Conv2d):
                kernel, channels = part.kernel_size[0], part.in_channels
                bound = 1 / (kernel * sqrt(channels))
                assert 0.9 * bound < part.weight.abs().max() <= bound
                assert part.weight.std().item() == pytest.approx(bound / sqrt(3), rel=0.05)


@torch.no_grad()
def test_a_projection_is_what_it_is_said_to_be() -> None:
    module, maps = unsettled(Projection(3, 5)), drawn(2, 3, 5, 4)
    np.testing.assert_allclose(module(maps), projected(module, maps.numpy()), atol=1e-12)


@pytest.mark.parametrize("target", [(1, 1), (4, 5), (9, 13), (5, 7)], ids=str)
def test_resizing_puts_corners_on_corners(target: tuple[int, int]) -> None:
    maps = drawn(2, 3, 5, 7)
    np.testing.assert_allclose(resized(maps, target), interpolated(maps.numpy(), target))
    assert torch.equal(resized(maps, (5, 7)), maps)
    twice = doubled(maps)
    assert twice.shape == (2, 3, 9, 13)
    torch.testing.assert_close(twice[..., ::2, ::2], maps)
