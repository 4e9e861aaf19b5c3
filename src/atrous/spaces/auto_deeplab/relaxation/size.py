"""How large a relaxed network is. Without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """So many layers, blocks a cell, F ("filters") and classes: 12, 5, 8 and 19 as published (Liu
    et al. 2019, section 4.1)."""

    layers: int
    blocks: int
    filters: int
    classes: int

    def channels(self, level: int) -> int:
        """Of a block at a level: F * stride / 4."""
        return self.filters << level

    def width(self, level: int) -> int:
        """The channels of a layer's output at a level: those of its blocks together."""
        return self.blocks * self.channels(level)
