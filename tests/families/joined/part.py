"""The part: two maps, projected and added at the finer stride, then a convolution."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from atrous.networks.pyramid import Part, Pyramid, onto
from tests.families.joined import DEEP, FINE


class Joined(Part):
    def __init__(self, kernel: int, channels: Mapping[int, int], filters: int) -> None:
        super().__init__()
        self.reads, self.stride, self.channels = (FINE, DEEP), FINE, filters
        self.fine = nn.Conv2d(channels[FINE], filters, 1, bias=False)
        self.deep = nn.Conv2d(channels[DEEP], filters, 1, bias=False)
        self.norm = nn.BatchNorm2d(filters)
        self.last = nn.Conv2d(filters, filters, kernel, padding="same", bias=False)

    def forward(self, maps: Pyramid) -> Tensor:
        fine = self.fine(maps[FINE])
        deep = onto(self.deep(maps[DEEP]), DEEP, FINE, fine.shape[-2:], self.offsets)
        return torch.relu(self.last(self.norm(fine + deep)))
