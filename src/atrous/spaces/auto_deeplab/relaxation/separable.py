"""Convolutions of one kind on one state, for all the blocks that read it, as one convolution.

Shapes: B images, C channels a reader, k readers (blocks that read the state), H x W positions, n x
n the depthwise kernel. Weights are held for all readers; `rows` says for which the result is
computed, k' of them, side by side: [B, k' * C, h, w], reader by reader, after batch norm times
`gains` [k' * C]. Of a separable convolution only what goes in is kept for the gradient.
"""

from __future__ import annotations

from functools import lru_cache, reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.networks.fast_cpu import depthwise_5x5_gradient
from atrous.spaces.auto_deeplab.relaxation.layers import drawn, normalised

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
        return _product(between, _matrices(pointwise).transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        maps, depthwise, pointwise = ctx.saved_tensors
        of_maps, of_depthwise, of_pointwise, _ = ctx.needs_input_grad
        matrices, repeated = _matrices(pointwise), _for_each(maps, depthwise)
        results: list[Tensor | None] = [None] * 4
        if of_maps or of_depthwise:
            results[:2] = _spatial_gradients(
                _product(gradients[0], matrices),
                repeated,
                depthwise,
                ctx.stride,
                (of_maps, of_depthwise),
            )
        if results[0] is not None:
            results[0] = reduce(torch.add, torch.split(results[0], maps.shape[1], dim=1))
        if of_pointwise:
            between = _spatial(repeated, depthwise, ctx.stride)
            results[2] = _products(gradients[0], between, len(matrices)).view_as(pointwise)
        return tuple(results)


def _for_each(maps: Tensor, depthwise: Tensor) -> Tensor:
    """The maps that depthwise convolutions read: [B, k * C, H, W]."""
    readers = len(depthwise) // maps.shape[1]
    return torch.cat([maps] * readers, dim=1) if readers > 1 else maps


def _spatial(repeated: Tensor, depthwise: Tensor, stride: int) -> Tensor:
    margin = depthwise.shape[-1] // 2
    return functional.conv2d(repeated, depthwise, None, stride, margin, groups=len(depthwise))


def _spatial_gradients(
    gradient: Tensor, repeated: Tensor, depthwise: Tensor, stride: int, needed: tuple[bool, bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Returns the gradients of the maps and of the weights, where they are needed."""
    kernel, groups = depthwise.shape[-1], len(depthwise)
    slow = needed[1] and kernel == 5 and repeated.device.type == "cpu"
    of_maps, of_weights, _ = torch.ops.aten.convolution_backward(
        gradient,
        repeated,
        depthwise,
        None,
        [stride, stride],
        [kernel // 2, kernel // 2],
        [1, 1],
        False,
        [0, 0],
        groups,
        [needed[0], needed[1] and not slow, False],
    )
    return of_maps, depthwise_5x5_gradient(gradient, repeated, stride) if slow else of_weights


def _matrices(pointwise: Tensor) -> Tensor:
    """[k * C, C, 1, 1] -> [k, C, C]."""
    channels = pointwise.shape[1]
    return pointwise.view(-1, channels, channels)


def _product(maps: Tensor, matrices: Tensor) -> Tensor:
    """Each reader's channels [B, k * C, h, w] times its own matrix [k, C, C]."""
    readers, channels = matrices.shape[:2]
    last = maps.permute(0, 2, 3, 1)
    if channels < FEW:
        blocks = matrices.unsqueeze(2) * _diagonal(readers, maps.dtype, maps.device)
        result = last @ blocks.reshape(readers * channels, readers * channels)
    else:
        by_reader = last.reshape(-1, readers, channels).transpose(0, 1) @ matrices
        result = by_reader.transpose(0, 1).reshape(last.shape)
    return result.permute(0, 3, 1, 2)


def _products(left: Tensor, right: Tensor, readers: int) -> Tensor:
    """For each reader, the sum over all positions of the outer products of its channels in two
    maps [B, k * C, h, w]: [k, C, C]."""
    one, other = (maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1]) for maps in (left, right))
    channels = one.shape[1] // readers
    if channels < FEW:
        every = (one.t() @ other).view(readers, channels, readers, channels)
        return every.diagonal(dim1=0, dim2=2).permute(2, 0, 1).contiguous()
    parts = (part.view(-1, readers, channels) for part in (one, other))
    by_reader = [part.transpose(0, 1) for part in parts]
    return by_reader[0].transpose(1, 2) @ by_reader[1]


@lru_cache(maxsize=256)
@torch.inference_mode(False)
def _diagonal(readers: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """[k, 1, k, 1]: ones where a reader meets itself."""
    return torch.eye(readers, dtype=dtype, device=device).view(readers, 1, readers, 1)


Rows = tuple[int, ...]


class Separable(nn.Module):
    """Twice: depthwise kernel x kernel, 1x1, batch norm, with a ReLU between; the first one has the
    stride."""

    def __init__(self, readers: int, channels: int, kernel: int) -> None:
        super().__init__()
        self.channels = channels
        spatial, across = (readers * channels, 1, kernel, kernel), (readers * channels, channels)
        fan_in = channels * kernel**2  # of all channels, as in the decoded network
        self.depthwise = nn.ParameterList(drawn(*spatial, fan_in=fan_in) for _ in range(2))
        self.pointwise = nn.ParameterList(drawn(*across, 1, 1, fan_in=channels) for _ in range(2))

    def forward(self, maps: Tensor, rows: Rows, gains: Tensor, stride: int) -> Tensor:
        """The state [B, C, H, W], after its ReLU."""
        depthwise, pointwise = (
            [taken(weights, rows, self.channels) for weights in both]
            for both in (self.depthwise, self.pointwise)
        )
        # In place: neither a batch norm's gradient nor anything else needs what it gives.
        maps = normalised(separable(maps, depthwise[0], pointwise[0], stride)).relu_()
        return normalised(separable(maps, depthwise[1], pointwise[1]), gains)


class Dense(nn.Module):
    """One dense kernel x kernel convolution, and batch norm."""

    def __init__(self, readers: int, channels: int, kernel: int) -> None:
        super().__init__()
        self.channels = channels
        shape = (readers * channels, channels, kernel, kernel)
        self.weight = drawn(*shape, fan_in=channels * kernel * kernel)

    def forward(
        self, maps: Tensor, rows: Rows, gains: Tensor, stride: int = 1, rate: int = 1
    ) -> Tensor:
        """The state [B, C, H, W], after its ReLU."""
        weight = taken(self.weight, rows, self.channels)
        margin = weight.shape[-1] // 2 * rate
        return normalised(functional.conv2d(maps, weight, None, stride, margin, rate), gains)


def taken(weights: Tensor, rows: Rows, channels: int) -> Tensor:
    """The weights [k * C, ...] of some readers: [k' * C, ...]."""
    if len(rows) * channels == len(weights):
        return weights
    parts = [weights[row * channels : (row + 1) * channels] for row in rows]
    return parts[0] if len(parts) == 1 else torch.cat(parts)
