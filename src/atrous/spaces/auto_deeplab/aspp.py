"""Atrous spatial pyramid pooling of dense convolutions, as Auto-DeepLab's networks end in (Liu et
al. 2019, section 4.2). Shapes: B images, C channels, H x W positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from atrous.networks.layers import Dropout, PointwiseUnit, normalise
from atrous.networks.pyramid import Part, Pyramid, Refinement
from atrous.spaces.auto_deeplab.trellis import STRIDES, low_width, width_of
from atrous.spaces.auto_deeplab.trunk import resized

DROPOUT = 0.1
REACHES = (96, 192, 288)
"""The atrous rates in pixels of the image: 12, 24 and 36 positions at stride 8."""


class Convolution3x3(nn.Sequential):
    """A dense 3x3 convolution at an atrous rate, batch norm, ReLU: [B, channels, H, W] -> [B,
    filters, H, W]."""

    def __init__(self, channels: int, filters: int, rate: int = 1) -> None:
        convolution = nn.Conv2d(channels, filters, 3, padding=rate, dilation=rate, bias=False)
        nn.init.xavier_uniform_(convolution.weight)
        super().__init__(convolution, normalise(filters), nn.ReLU(inplace=True))


class ImagePooling(nn.Module):
    """The mean of the map, a 1x1 convolution with batch norm and ReLU, spread over the map."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.convolution = PointwiseUnit(channels, filters)

    def forward(self, features: Tensor) -> Tensor:
        """[B, channels, H, W] -> [B, filters, H, W], the same at every position."""
        mean: Tensor = self.convolution(features.mean((2, 3), keepdim=True))
        return mean.expand(-1, -1, *features.shape[2:])


class DenseAspp(Part):
    """A 1x1 convolution, three atrous 3x3 ones and image pooling, joined by a 1x1 convolution.

    It reads the deepest map. Every branch has `width_of(filters)` channels. The convolutions are
    dense: the paper's parameter counts are those of dense ones, to the last digit printed.
    """

    def __init__(self, channels: Mapping[int, int], filters: int) -> None:
        super().__init__()
        self.stride = stride = max(channels)
        self.reads = (stride,)
        self.channels = width = width_of(filters)
        deep, rates = channels[stride], [reach // stride for reach in REACHES]
        self.branches = nn.ModuleList(
            [
                PointwiseUnit(deep, width),
                *(Convolution3x3(deep, width, rate) for rate in rates),
                ImagePooling(deep, width),
            ]
        )
        self.projection = PointwiseUnit(len(self.branches) * width, width)
        self.dropout = Dropout(DROPOUT)

    def forward(self, maps: Pyramid) -> Tensor:
        """Maps by stride -> [B, width_of(filters), H, W] at the deepest one's stride."""
        features = maps[self.stride]
        joined = torch.cat([branch(features) for branch in self.branches], dim=1)
        return cast(Tensor, self.dropout(self.projection(joined)))


class DenseDecoder(Refinement):
    """The map at stride 4, projected to 48 channels, beside the head's output; then two dense 3x3
    convolutions."""

    def __init__(self, channels: Mapping[int, int], part: Part, filters: int) -> None:
        super().__init__()
        self.reads, self.stride = STRIDES[:1], STRIDES[0]
        self.channels = width = part.channels
        low = low_width(filters)
        self.low = PointwiseUnit(channels[self.stride], low)
        self.refine = nn.Sequential(
            Convolution3x3(width + low, width), Convolution3x3(width, width)
        )

    def forward(self, maps: Pyramid, deep: Tensor) -> Tensor:
        """The pyramid and deep [B, channels, H, W] -> [B, channels, h, w], at stride 4."""
        low = maps[self.stride]
        spread = resized(deep, (low.shape[-2], low.shape[-1]))
        return cast(Tensor, self.refine(torch.cat([spread, self.low(low)], dim=1)))
