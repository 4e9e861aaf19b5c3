"""A layer's output as those that come after it read it."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from atrous.spaces.auto_deeplab.trunk import resized

ImageSize = tuple[int, int]


class Output:
    """Maps [B, C, H, W], after a ReLU and at other sizes, each made once for all who ask for it."""

    def __init__(self, maps: Tensor) -> None:
        self.maps = maps
        self._active: dict[ImageSize, Tensor] = {}

    def at(self, size: ImageSize) -> Tensor:
        """[B, C, h, w], interpolated bilinearly with corners on corners."""
        return self.maps if self.maps.shape[-2:] == size else resized(self.maps, size)

    def active(self, size: ImageSize) -> Tensor:
        """[B, C, h, w], interpolated, then after a ReLU."""
        if size not in self._active:
            self._active[size] = functional.relu(self.at(size))
        return self._active[size]
