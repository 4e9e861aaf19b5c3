"""The decoder of DeepLabv3+ (Chen et al. 2018, "Encoder-Decoder with Atrous Separable
Convolution", section 3.1): fine edges from the backbone's map at stride 4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.networks.layers import Convolution1x1, SeparableConvolution
from atrous.networks.pyramid import Part, Pyramid, Refinement

LOW_STRIDE = 4
LOW_CHANNELS = 48


class Decoder(Refinement):
    """48 low-level channels beside the cell's output, then two separable 3x3 convolutions.

    timm's last map at stride 4 stands for the layer that the reference implementation taps inside
    a block.
    """

    def __init__(self, channels: Mapping[int, int], part: Part) -> None:
        super().__init__()
        self.reads, self.stride = (LOW_STRIDE,), LOW_STRIDE
        self.channels = filters = part.channels
        self.low = Convolution1x1(channels[LOW_STRIDE], LOW_CHANNELS)
        self.refine = nn.Sequential(
            SeparableConvolution(filters + LOW_CHANNELS, filters, (1, 1)),
            SeparableConvolution(filters, filters, (1, 1)),
        )

    def forward(self, maps: Pyramid, deep: Tensor) -> Tensor:
        """The pyramid and deep [B, channels, H, W] -> [B, channels, h, w], at stride 4."""
        low = maps[LOW_STRIDE]
        size = low.shape[-2:]
        spread = functional.interpolate(deep, size=size, mode="bilinear", align_corners=True)
        return cast(Tensor, self.refine(torch.cat([spread, self.low(low)], dim=1)))
