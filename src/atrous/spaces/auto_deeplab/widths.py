"""How wide the parts of an Auto-DeepLab network are, and where its layers stand, without torch.

F ("filters") is the network's only width: a block at stride s has F * s / 4 channels (Liu et al.
2019, section 3.1). Stem, ASPP and decoder have the published widths from F = 16 on, and below that
widths in proportion, so that small networks are small throughout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from atrous.spaces.auto_deeplab.trellis import STRIDES, Path

STEM_LEVEL, STEM_STRIDE = -1, 2
"""Where the stem's first convolutions are."""
MEAN = STD = (0.5, 0.5, 0.5)
"""Images in [0, 1] are normalised to [-1, 1]: no statistics of another data set enter."""


@dataclass(frozen=True)
class LayerPlan:
    """A layer of the trunk: it reads `x`, the layer before, and `y`, the one before that, and has
    `filters` channels a block at its own level, `move` coarser than that of x."""

    x_channels: int
    y_channels: int
    x_level: int
    y_level: int
    filters: int
    move: int

    @property
    def y_fits(self) -> bool:
        """Whether y has the size of x, once an up step has enlarged x."""
        return self.y_level == self.x_level + min(self.move, 0)


def layer_plans(path: Path, blocks: int, filters: int) -> Iterator[LayerPlan]:
    """The layers of a network of F `filters` along a path, the first after the stem."""
    _, second, third = stem_widths(filters)
    y, x = (STEM_LEVEL, second), (0, third)
    for level in path:
        width = filters << level
        yield LayerPlan(x[1], y[1], x[0], y[0], width, level - x[0])
        y, x = x, (level, blocks * width)


def trunk_channels(path: Path, blocks: int, filters: int) -> dict[int, int]:
    """The channels of the maps that a trunk gives, by stride: of stride 4, and of its end."""
    low = blocks * filters if 0 in path else stem_widths(filters)[2]
    return {STRIDES[0]: low, STRIDES[path[-1]]: blocks * (filters << path[-1])}


def stem_widths(filters: int) -> tuple[int, int, int]:
    """The channels of the stem's three convolutions: 64, 64, 128 as published."""
    return min(64, 4 * filters), min(64, 4 * filters), min(128, 8 * filters)


def width_of(filters: int) -> int:
    """The channels of ASPP and decoder: 256 as published."""
    return min(256, 16 * filters)


def low_width(filters: int) -> int:
    """To how many channels the decoder projects the map at stride 4: 48 as published."""
    return min(48, 3 * filters)
