"""Parts made of plain modules."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from atrous.networks.pyramid import Part, Pyramid


class Alone(Part):
    """A module that reads the map of one stride and gives another of that stride."""

    def __init__(self, module: nn.Module, channels: int, stride: int = 16) -> None:
        super().__init__()
        self.reads, self.stride, self.channels = (stride,), stride, channels
        self.module = module

    def forward(self, maps: Pyramid) -> Tensor:
        return cast(Tensor, self.module(maps[self.stride]))
