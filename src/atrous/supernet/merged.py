"""Convolutions of one kind on one state, for all the blocks that read it, as one convolution.

Shapes: B images, C channels, H x W positions, k readers: blocks that read the state. Weights are
held for all readers; `rows` says for which the result is computed, k' of them, side by side:
[B, k' * C, h, w], reader by reader, after batch norm times `gains` [k' * C].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.supernet.layers import drawn, normalised

DENSE_UP_TO = 16
"""Up to so many channels a separable convolution runs as a dense one, whose kernel is the product
of its two: the more multiply-adds cost less than what a second pass over the maps does, and what
lies between the two need not be kept."""

Rows = tuple[int, ...]


class Separable(nn.Module):
    """Twice: depthwise kernel x kernel, 1x1, batch norm, with a ReLU between; the first one has the
    stride."""

    def __init__(self, readers: int, channels: int, kernel: int) -> None:
        super().__init__()
        spatial, across = (readers, channels, kernel, kernel), (readers, channels, channels)
        self.depthwise = nn.ParameterList(drawn(*spatial, fan_in=kernel**2) for _ in range(2))
        self.pointwise = nn.ParameterList(drawn(*across, fan_in=channels) for _ in range(2))

    def forward(self, maps: Tensor, rows: Rows, gains: Tensor, stride: int) -> Tensor:
        """The state [B, C, H, W], after its ReLU."""
        (first, second), (third, fourth) = (
            [taken(weights, rows) for weights in half]
            for half in zip(self.depthwise, self.pointwise, strict=True)
        )
        # Nobody else reads this batch norm's result, nor does its gradient.
        maps = normalised(separable(maps, first, second, stride)).relu_()
        return normalised(separable(maps, third, fourth, 1), gains)


class Dense(nn.Module):
    """One dense convolution, and batch norm."""

    def __init__(self, readers: int, channels: int, kernel: int) -> None:
        super().__init__()
        shape = (readers, channels, channels, kernel, kernel)
        self.weight = drawn(*shape, fan_in=channels * kernel * kernel)

    def forward(
        self, maps: Tensor, rows: Rows, gains: Tensor, stride: int = 1, rate: int = 1
    ) -> Tensor:
        """The state [B, C, H, W], after its ReLU."""
        weight = taken(self.weight, rows).flatten(0, 1)
        margin = weight.shape[-1] // 2 * rate
        return normalised(functional.conv2d(maps, weight, None, stride, margin, rate), gains)


def taken(weights: Tensor, rows: Rows) -> Tensor:
    """The weights [k, ...] of some readers: [k', ...]."""
    if len(rows) == len(weights):
        return weights
    if len(rows) == 1:
        return weights[rows[0] : rows[0] + 1]
    return torch.stack([weights[row] for row in rows])


def separable(maps: Tensor, depthwise: Tensor, pointwise: Tensor, stride: int) -> Tensor:
    """A depthwise convolution [k, C, n, n], then a 1x1 one [k, C, C]: [B, k * C, h, w].

    Maps are [B, C, H, W], one state that all read, or [B, k * C, H, W], to each its own.
    """
    readers, channels, kernel = depthwise.shape[:3]
    margin, shared = kernel // 2, maps.shape[1] == channels
    if channels <= DENSE_UP_TO:
        weight = (pointwise[..., None, None] * depthwise.unsqueeze(1)).flatten(0, 1)
        return functional.conv2d(
            maps, weight, None, stride, margin, groups=1 if shared else readers
        )
    if shared:
        maps = _depthwise_shared(maps, depthwise, stride)
    else:
        weight = depthwise.flatten(0, 1).unsqueeze(1)
        maps = functional.conv2d(maps, weight, None, stride, margin, groups=len(weight))
    return functional.conv2d(maps, pointwise.flatten(0, 1)[..., None, None], groups=readers)


def _depthwise_shared(maps: Tensor, weight: Tensor, stride: int) -> Tensor:
    """All readers' depthwise convolutions of one state, which come channel by channel and are put
    reader by reader."""
    channels, readers = maps.shape[1], len(weight)
    weight = weight.transpose(0, 1).flatten(0, 1).unsqueeze(1)
    margin = weight.shape[-1] // 2
    maps = functional.conv2d(maps, weight, None, stride, margin, groups=channels)
    batch, _, height, width = maps.shape
    if not maps.is_contiguous(memory_format=torch.channels_last):
        by_channel = maps.view(batch, channels, readers, height, width)
        return by_channel.transpose(1, 2).reshape(maps.shape)
    by_channel = maps.permute(0, 2, 3, 1).view(batch, height, width, channels, readers)
    return by_channel.transpose(3, 4).flatten(3).permute(0, 3, 1, 2)
