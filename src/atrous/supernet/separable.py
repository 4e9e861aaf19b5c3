"""Separable convolutions of all who read one state, of which only what goes in is kept.

Shapes: B images, C channels a reader, k readers, H x W positions, n x n the depthwise kernel.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from atrous.models.fast_cpu import depthwise_5x5_gradient

FEW = 16
"""Below so many channels, one product with a matrix that is mostly zeros takes less time than many
products with small matrices."""


def separable(maps: Tensor, depthwise: Tensor, pointwise: Tensor, stride: int = 1) -> Tensor:
    """A depthwise convolution [k * C, 1, n, n], then a 1x1 one [k * C, C, 1, 1], for each reader:
    [B, k * C, h, w].

    Maps are [B, C, H, W], one state that all read, or [B, k * C, H, W], to each its own. The result
    of the depthwise convolution, the cheapest part, is computed again for the gradient: kept, it
    would make up a third of a relaxed network's memory.
    """
    weights = depthwise.to(maps.dtype), pointwise.to(maps.dtype)
    result: Tensor = _Separable.apply(maps, *weights, stride)  # type: ignore[no-untyped-call]
    return result


class _Separable(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, depthwise: Tensor, pointwise: Tensor, stride: int
    ) -> Tensor:
        ctx.save_for_backward(maps, depthwise, pointwise)
        ctx.stride = stride
        between = _spatial(_for_each(maps, depthwise), depthwise, stride)
        weights, groups = _matrix(pointwise)
        return functional.conv2d(between, weights, groups=groups)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        maps, depthwise, pointwise = ctx.saved_tensors
        needed = ctx.needs_input_grad
        repeated = _for_each(maps, depthwise)
        between = _spatial(repeated, depthwise, ctx.stride)
        weights, groups = _matrix(pointwise)
        gradient, of_weights = _gradients(
            gradients[0], between, weights, groups, 1, (True, needed[2])
        )
        of_pointwise = None if of_weights is None else _blocks(of_weights, pointwise)
        of_repeated, of_depthwise = _gradients(
            gradient, repeated, depthwise, len(depthwise), ctx.stride, (needed[0], needed[1])
        )
        return _summed(of_repeated, maps), of_depthwise, of_pointwise, None


def _for_each(maps: Tensor, depthwise: Tensor) -> Tensor:
    """The maps that depthwise convolutions read: [B, k * C, H, W]."""
    readers = len(depthwise) // maps.shape[1]
    return torch.cat([maps] * readers, dim=1) if readers > 1 else maps


def _summed(gradient: Tensor, maps: Tensor) -> Tensor:
    """The gradient of the maps from that of what `_for_each` makes of them."""
    return reduce(torch.add, torch.split(gradient, maps.shape[1], dim=1))


def _spatial(repeated: Tensor, depthwise: Tensor, stride: int) -> Tensor:
    margin = depthwise.shape[-1] // 2
    return functional.conv2d(repeated, depthwise, None, stride, margin, groups=len(depthwise))


def _matrix(pointwise: Tensor) -> tuple[Tensor, int]:
    """The weights of one 1x1 convolution for all readers, and its groups."""
    channels = pointwise.shape[1]
    readers = len(pointwise) // channels
    if channels >= FEW:
        return pointwise, readers
    diagonal = torch.eye(readers, dtype=pointwise.dtype, device=pointwise.device)
    blocks = pointwise.view(readers, channels, 1, channels) * diagonal[:, None, :, None]
    return blocks.view(readers * channels, readers * channels, 1, 1), 1


def _blocks(weights: Tensor, pointwise: Tensor) -> Tensor:
    """Of the weights that `_matrix` gives, those that it was given."""
    if weights.shape == pointwise.shape:
        return weights
    channels = pointwise.shape[1]
    readers = len(pointwise) // channels
    blocks = weights.reshape(readers, channels, readers, channels).diagonal(dim1=0, dim2=2)
    return blocks.permute(2, 0, 1).reshape(pointwise.shape)


def _gradients(
    gradient: Tensor,
    maps: Tensor,
    weights: Tensor,
    groups: int,
    stride: int,
    needed: tuple[bool, bool],
) -> tuple[Tensor, Tensor | None]:
    """Of a convolution: those of its maps and of its weights, where they are needed."""
    kernel = weights.shape[-1]
    slow = kernel == 5 and maps.device.type == "cpu"
    mask, margin = [needed[0], needed[1] and not slow, False], [kernel // 2] * 2
    of_maps, of_weights, _ = torch.ops.aten.convolution_backward(
        gradient, maps, weights, None, [stride] * 2, margin, [1, 1], False, [0, 0], groups, mask
    )
    if needed[1] and slow:
        of_weights = depthwise_5x5_gradient(gradient, maps, stride)
    return of_maps, of_weights
