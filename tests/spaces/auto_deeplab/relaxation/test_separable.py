"""Separable convolutions that keep little against those of torch, and their gradients."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from atrous.networks.compute import Kept
from atrous.spaces.auto_deeplab.relaxation import separable as module
from atrous.spaces.auto_deeplab.relaxation.separable import separable
from tests.cases import each

CASES = list(product([1, 3], [False, True], [3, 5], [1, 2]))


@pytest.fixture(params=[1, 100], ids=["many", "few"], autouse=True)
def _channels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to compute products, whatever the channels."""
    monkeypatch.setattr(module, "FEW", request.param)


def _inputs(readers: int, shared: bool, kernel: int) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    channels = 2
    width = channels if shared else readers * channels
    shapes = (
        (2, width, 7, 9),
        (readers * channels, 1, kernel, kernel),
        (readers * channels, channels, 1, 1),
    )
    maps, depthwise, pointwise = (
        torch.randn(shape, dtype=torch.float64, generator=draw).requires_grad_() for shape in shapes
    )
    return maps, depthwise, pointwise


def _plain(maps: Tensor, depthwise: Tensor, pointwise: Tensor, stride: int) -> Tensor:
    """Reader by reader."""
    channels = pointwise.shape[1]
    results = []
    for first in range(0, len(pointwise), channels):
        own = slice(first, first + channels)
        read = maps if maps.shape[1] == channels else maps[:, own]
        margin = depthwise.shape[-1] // 2
        between = functional.conv2d(read, depthwise[own], None, stride, margin, groups=channels)
        results.append(functional.conv2d(between, pointwise[own]))
    return torch.cat(results, dim=1)


@each(("readers", "shared", "kernel", "stride"), CASES)
@each("layout", [torch.contiguous_format, torch.channels_last])
def test_result_and_gradients_are_those_of_torch(
    readers: int, shared: bool, kernel: int, stride: int, layout: torch.memory_format
) -> None:
    inputs = _inputs(readers, shared, kernel)
    laid = (inputs[0].contiguous(memory_format=layout), *inputs[1:])
    found, expected = separable(*laid, stride), _plain(*laid, stride)
    assert torch.allclose(found, expected)
    factors = torch.randn_like(expected)
    pairs = (torch.autograd.grad((out * factors).sum(), inputs) for out in (found, expected))
    for own, theirs in zip(*pairs, strict=True):
        assert torch.allclose(own, theirs)


def test_gradients_have_gradients() -> None:
    """As a Hessian of the architecture asks for."""
    maps, depthwise, pointwise = _inputs(2, True, 5)
    inputs = (maps[:1, :, :3, :4].detach().requires_grad_(), depthwise, pointwise)
    assert torch.autograd.gradgradcheck(separable, inputs)


@pytest.mark.parametrize(
    "wanted", [(True, False, False), (False, True, False), (False, False, True)]
)
def test_a_gradient_is_computed_for_whoever_wants_it(wanted: tuple[bool, ...]) -> None:
    inputs = _inputs(2, True, 5)
    for tensor, wants in zip(inputs, wanted, strict=True):
        tensor.requires_grad_(wants)
    separable(*inputs).sum().backward()  # type: ignore[no-untyped-call]
    one = next(tensor for tensor in inputs if tensor.requires_grad)
    again = _inputs(2, True, 5)
    _plain(*again, 1).sum().backward()  # type: ignore[no-untyped-call]
    assert one.grad is not None
    other = again[wanted.index(True)].grad
    assert other is not None
    assert torch.allclose(one.grad, other)
    assert all((tensor.grad is None) != wants for tensor, wants in zip(inputs, wanted, strict=True))


def test_only_what_goes_in_is_kept() -> None:
    inputs = _inputs(3, True, 3)
    with Kept() as kept:
        result = separable(*inputs)
    assert kept.bytes == sum(tensor.nbytes for tensor in inputs)
    assert result.shape == (2, 6, 7, 9)
