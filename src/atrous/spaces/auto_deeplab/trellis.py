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
