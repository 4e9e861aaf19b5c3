"""Convolutions of one kind on one state, for all the blocks that read it, as one convolution.

Shapes: B images, C channels, H x W positions, k readers: blocks that read the state. Weights are
held for all readers; `rows` says for which the result is computed, k' of them, side by side:
[B, k' * C, h, w], reader by reader, after batch norm times `gains` [k' * C].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.spaces.auto_deeplab.relaxation.layers import drawn, normalised
from atrous.spaces.auto_deeplab.relaxation.separable import separable

Rows = tuple[int, ...]


class Separable(nn.Module):
    """Twice: depthwise kernel x kernel, 1x1, batch norm, with a ReLU between; the first one has the
    stride."""

    def __init__(self, readers: int, channels: int, kernel: int) -> None:
        super().__init__()
        self.channels = channels
        spatial, across = (readers * channels, 1, kernel, kernel), (readers * channels, channels)
        self.depthwise = nn.ParameterList(drawn(*spatial, fan_in=kernel**2) for _ in range(2))
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
