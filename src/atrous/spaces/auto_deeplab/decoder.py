"""The decoder of DeepLabv3+ with dense convolutions, as Auto-DeepLab's networks have it (Liu et al.
2019, section 4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from atrous.networks.layers import Convolution1x1
from atrous.networks.pyramid import Part, Pyramid, Refinement
from atrous.spaces.auto_deeplab.aspp import Convolution3x3
from atrous.spaces.auto_deeplab.operations import resized
from atrous.spaces.auto_deeplab.trellis import STRIDES
from atrous.spaces.auto_deeplab.widths import low_width


class DenseDecoder(Refinement):
    """The map at stride 4, projected to 48 channels, beside the head's output; then two dense 3x3
    convolutions."""

    def __init__(self, channels: Mapping[int, int], part: Part, filters: int) -> None:
        super().__init__()
        self.reads, self.stride = STRIDES[:1], STRIDES[0]
        self.channels = width = part.channels
        low = low_width(filters)
        self.low = Convolution1x1(channels[self.stride], low)
        self.refine = nn.Sequential(
            Convolution3x3(width + low, width), Convolution3x3(width, width)
        )

    def forward(self, maps: Pyramid, deep: Tensor) -> Tensor:
        """The pyramid and deep [B, channels, H, W] -> [B, channels, h, w], at stride 4."""
        low = maps[self.stride]
        spread = resized(deep, (low.shape[-2], low.shape[-1]))
        return cast(Tensor, self.refine(torch.cat([spread, self.low(low)], dim=1)))
