"""The decoder of DeepLabv3+ with dense convolutions, as Auto-DeepLab's networks have it (Liu et al.
2019, section 4.2)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from atrous.networks.layers import Convolution1x1
from atrous.spaces.auto_deeplab.aspp import Convolution3x3
from atrous.spaces.auto_deeplab.operations import resized
from atrous.spaces.auto_deeplab.widths import low_width, width_of


class DenseDecoder(nn.Module):
    """The map at stride 4, projected to 48 channels, beside the head's output; then two dense 3x3
    convolutions."""

    def __init__(self, low_channels: int, filters: int) -> None:
        super().__init__()
        width, low = width_of(filters), low_width(filters)
        self.low = Convolution1x1(low_channels, low)
        self.refine = nn.Sequential(
            Convolution3x3(width + low, width), Convolution3x3(width, width)
        )

    def forward(self, low: Tensor, deep: Tensor) -> Tensor:
        """low [B, low_channels, h, w] and deep [B, width_of(filters), H, W] -> [B, width, h, w]."""
        spread = resized(deep, (low.shape[-2], low.shape[-1]))
        return cast(Tensor, self.refine(torch.cat([spread, self.low(low)], dim=1)))
