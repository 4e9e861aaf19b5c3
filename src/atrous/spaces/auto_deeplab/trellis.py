"""The resolutions a network passes, layer by layer (Liu et al. 2019, section 3.2).

After a stem that ends at stride 4, each layer works at stride 4, 8, 16 or 32: at that of the layer
before, at twice or at half of it. A level counts strides: 0 is stride 4, 3 is stride 32. A path is
the level of each layer, in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

STRIDES = (4, 8, 16, 32)
LEVELS = range(len(STRIDES))
LAYERS = 12

Path = tuple[int, ...]
"""The level of each layer."""


@dataclass(frozen=True)
class Arrow:
    """A way into `layer` (from 0) at level `target`, from the layer before at level `source`; the
    stem, at level 0, is before layer 0."""

    layer: int
    source: int
    target: int


def exits(level: int) -> range:
    """The levels that the layer after one at `level` can have, the finest first."""
    return range(max(level - 1, 0), min(level + 1, LEVELS[-1]) + 1)


def levels_at(layer: int) -> range:
    """The levels that can be reached in a layer (from 0)."""
    return range(min(layer + 1, LEVELS[-1]) + 1)


def arrows(layers: int) -> Iterator[Arrow]:
    """Every arrow of the trellis, layer by layer, then by source, then by target."""
    for layer in range(layers):
        for source in range(1) if layer == 0 else levels_at(layer - 1):
            for target in exits(source):
                yield Arrow(layer, source, target)


def is_path(levels: Path) -> bool:
    """Whether each level can follow the one before, the first that of the stem."""
    before = (0, *levels)
    return all(level in exits(last) for last, level in zip(before, levels, strict=False))


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
