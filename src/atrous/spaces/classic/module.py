"""Well-known decoders, as parts that read the maps of a backbone.

Maps come by stride, all of which are read unless a decoder says otherwise; `filters` is the width
of the map that a decoder gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from math import gcd
from typing import cast

import torch
from torch import Tensor, nn

from atrous.networks.layers import Dropout, GridPoolingUnit, PointwiseUnit, SeparableUnit, unit
from atrous.networks.network import Decoder
from atrous.networks.pyramid import Part, Pyramid, nearest, onto

Channels = Mapping[int, int]
GATED_STRIDE = 8
GROUPS = 32
RATES = (6, 12, 18)


class OneByOne(Part):
    """A 1x1 convolution on the deepest map: the least that can be done."""

    def __init__(self, channels: Channels, filters: int) -> None:
        super().__init__()
        self.stride = max(channels)
        self.reads, self.channels = (self.stride,), filters
        self.unit = PointwiseUnit(channels[self.stride], filters)

    def forward(self, maps: Pyramid) -> Tensor:
        """The pyramid -> [B, filters, H, W] at the largest stride."""
        return cast(Tensor, self.unit(maps[self.stride]))


class LiteAspp(Part):
    """LR-ASPP (Howard et al. 2019, section 6.4): a 1x1 convolution on the deepest map, times a gate
    of its global mean; scores are made of it and of the map at stride 8."""

    def __init__(self, channels: Channels, filters: int) -> None:
        super().__init__()
        self.deep = max(channels)
        self.stride = min((s for s in channels if s >= GATED_STRIDE), default=self.deep)
        self.reads = tuple(sorted({self.stride, self.deep}))
        self.unit = PointwiseUnit(channels[self.deep], filters)
        self.gate = nn.Conv2d(channels[self.deep], filters, 1, bias=False)
        self.channels = filters + channels[self.stride]

    def forward(self, maps: Pyramid) -> Tensor:
        """The pyramid -> [B, filters + those of the finer map, H, W] at its stride."""
        deep, fine = maps[self.deep], maps[self.stride]
        gate = torch.sigmoid(self.gate(deep.mean((2, 3), keepdim=True)))
        gated = self.unit(deep) * gate
        gated = onto(gated, self.deep, self.stride, fine.shape[-2:], self.offsets)
        return torch.cat([gated, fine], dim=1)


class FeaturePyramid(Part):
    """A panoptic feature pyramid (Kirillov et al. 2019, section 3.1), half as wide at `filters` 64
    as published: levels of 2 x `filters` channels, 3x3 convolutions, sums at the finest stride."""

    def __init__(self, channels: Channels, filters: int) -> None:
        super().__init__()
        strides = sorted(channels, reverse=True)
        self.reads, self.stride, self.channels = tuple(strides[::-1]), strides[-1], filters
        width = 2 * filters
        self.laterals = nn.ModuleList(nn.Conv2d(channels[s], width, 1) for s in strides)
        self.branches = nn.ModuleList(
            nn.ModuleList(
                grouped(width if k == 0 else filters, filters) for k in range(max(1, ups))
            )
            for ups in reversed(range(len(strides)))
        )
        self.dropout = nn.Dropout2d(0.2)

    def forward(self, maps: Pyramid) -> Tensor:
        """The pyramid -> [B, filters, H, W] at the smallest stride."""
        strides = self.reads[::-1]
        levels = [maps[stride] for stride in strides]
        top: Tensor | None = None
        total: Tensor | None = None
        for number, (lateral, branch) in enumerate(zip(self.laterals, self.branches, strict=True)):
            side = lateral(levels[number])
            if top is not None:
                above, here, size = strides[number - 1], strides[number], side.shape[-2:]
                side = side + nearest(top, above, here, size, self.offsets)
            top = found = side
            for step, layer in enumerate(cast(nn.ModuleList, branch), number + 1):
                found = layer(found)
                if step < len(levels):
                    size = levels[step].shape[-2:]
                    found = onto(found, strides[step - 1], strides[step], size, self.offsets)
            total = found if total is None else total + found
        return cast(Tensor, self.dropout(total))


class Unet(Part):
    """The decoder of a U-Net (Ronneberger et al. 2015) down to the finest map: the map so far is
    enlarged, joined with the next finer one, and convolved twice; widths halve down to `filters`.
    """

    def __init__(self, channels: Channels, filters: int) -> None:
        super().__init__()
        strides = sorted(channels, reverse=True)
        self.reads, self.stride, self.channels = tuple(strides[::-1]), strides[-1], filters
        widths = [filters << k for k in reversed(range(len(strides) - 1))]
        inputs = [channels[strides[0]], *widths[:-1]]
        self.steps = nn.ModuleList(
            nn.Sequential(unit(above + channels[s], width, 3), unit(width, width, 3))
            for above, s, width in zip(inputs, strides[1:], widths, strict=True)
        )

    def forward(self, maps: Pyramid) -> Tensor:
        """The pyramid -> [B, filters, H, W] at the smallest stride."""
        strides = self.reads[::-1]
        found = maps[strides[0]]
        for step, (deep, stride) in zip(self.steps, pairwise(strides), strict=True):
            side = maps[stride]
            larger = onto(found, deep, stride, side.shape[-2:], self.offsets)
            found = step(torch.cat([larger, side], dim=1))
        return found


class DeepLab(Part):
    """DeepLabv3+ (Chen et al. 2018): atrous spatial pyramid pooling of separable convolutions on
    the deepest map, then 48 channels of the finest beside it, and two separable convolutions."""

    def __init__(self, channels: Channels, filters: int) -> None:
        super().__init__()
        self.deep, self.channels = max(channels), filters
        self.stride = min(channels)
        self.reads = tuple(sorted({self.stride, self.deep}))
        count = channels[self.deep]
        self.branches = nn.ModuleList(
            (
                PointwiseUnit(count, filters),
                *(SeparableUnit(count, filters, (rate, rate)) for rate in RATES),
                GridPoolingUnit(count, filters, (1, 1)),
            )
        )
        self.project = nn.Sequential(
            PointwiseUnit(len(self.branches) * filters, filters), Dropout(0.1)
        )
        self.decoder = Decoder(channels, self, self.stride, self.deep)

    def forward(self, maps: Pyramid) -> Tensor:
        """The pyramid -> [B, filters, H, W] at the smallest stride."""
        deep = torch.cat([branch(maps[self.deep]) for branch in self.branches], dim=1)
        return cast(Tensor, self.decoder(maps, self.project(deep)))


def grouped(channels: int, filters: int) -> nn.Sequential:
    """A 3x3 convolution, group norm, ReLU."""
    layer = nn.Conv2d(channels, filters, 3, padding=1, bias=False)
    norm = nn.GroupNorm(gcd(GROUPS, filters), filters)
    return nn.Sequential(layer, norm, nn.ReLU(inplace=True))


DECODERS: Mapping[str, Callable[[Channels, int], Part]] = {
    "1x1": OneByOne,
    "lraspp": LiteAspp,
    "fpn": FeaturePyramid,
    "unet": Unet,
    "deeplabv3plus": DeepLab,
}
