"""What follows the ASPP of an Auto-DeepLab network costs, by arithmetic alone: decoder and class
scores, both at stride 4. Counted as in `auto_deeplab_cost`."""

from __future__ import annotations

from math import prod

from atrous.core.cost import Cost
from atrous.spaces.auto_deeplab.trellis import STRIDES, Path
from atrous.spaces.auto_deeplab.widths import low_width, trunk_channels, width_of

FINEST, COARSEST = STRIDES[0], STRIDES[-1]


def decoder_cost_of(path: Path, blocks: int, filters: int, size: tuple[int, int]) -> Cost:
    """The decoder of a network of F `filters`, for one image of `size` (H, W)."""
    low, narrow = trunk_channels(path, blocks, filters)[FINEST], low_width(filters)
    width = width_of(filters)
    weights = low * narrow + 9 * (width + narrow) * width + 9 * width * width
    norms = 2 * (narrow + 2 * width)
    return Cost(weights + norms, weights * _positions(size))


def class_scores_cost(classes: int, filters: int, size: tuple[int, int]) -> Cost:
    """The 1x1 convolution, with bias, that scores the classes."""
    weights = width_of(filters) * classes
    return Cost(weights + classes, weights * _positions(size))


def _positions(size: tuple[int, int]) -> int:
    """How many positions the map at stride 4 has, on the canvas of an image."""
    return prod((side - 1 + (1 - side) % COARSEST) // FINEST + 1 for side in size)
