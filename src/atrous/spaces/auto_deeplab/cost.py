"""Counts the cost of a network of Auto-DeepLab by arithmetic alone: stem, layers, ASPP, decoder.

Parameters are all trainable ones: weights, and the scales and shifts of batch norms. Multiply-adds
are those of convolutions for one image, which is padded as the network pads it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache, lru_cache
from math import prod

from atrous.core.architecture import Cost
from atrous.spaces.auto_deeplab.cell import GIVEN, Operation, RepeatedCell
from atrous.spaces.auto_deeplab.trellis import (
    LEVELS,
    STEM_LEVEL,
    STEM_STRIDE,
    STRIDES,
    LayerPlan,
    Path,
    layer_plans,
    low_width,
    stem_widths,
    trunk_channels,
    width_of,
)
from atrous.spaces.space import unit_cost

ATROUS_BRANCHES = 3
"""The 3x3 convolutions of ASPP; beside them are a 1x1 convolution and image pooling."""


def network_cost_of(path: Path, cell: RepeatedCell, filters: int, size: tuple[int, int]) -> Cost:
    """Trunk and ASPP of width F = `filters`, for one image of `size` (H, W); without decoder and
    class scores."""
    channels = len(cell) * (filters << path[-1])
    # All layers have the same edges: only those of given states may have to halve a map.
    edges = Counter(
        (edge.operation, edge.state < GIVEN) for b in cell for edge in (b.first, b.second)
    )

    @cache
    def work(filters: int, positions: int, halves: bool) -> Cost:
        costs = (
            operation_cost(operation, filters, positions, halves and given) * times
            for (operation, given), times in edges.items()
        )
        return sum(costs, Cost(0, 0))

    layers = (_layer(work, plan, size) for plan in layer_plans(path, len(cell), filters))
    aspp = _aspp(channels, width_of(filters), _positions(path[-1], size))
    return sum(layers, _stem(filters, size) + aspp)


def _stem(filters: int, size: tuple[int, int]) -> Cost:
    first, second, third = stem_widths(filters)
    fine, coarse = _positions(STEM_LEVEL, size), _positions(0, size)
    return (
        _convolution(9 * 3, first, fine)
        + _convolution(9 * first, second, fine)
        + _convolution(9 * second, third, coarse)
    )


def _layer(work: Callable[[int, int, bool], Cost], plan: LayerPlan, size: tuple[int, int]) -> Cost:
    """Projections where x is, enlarged by an up step; operations where the layer is."""
    projected = _positions(plan.x_level + min(plan.move, 0), size)
    total = _convolution(plan.x_channels, plan.filters, projected)
    if plan.y_channels != plan.filters:
        total += _convolution(plan.y_channels, plan.filters, projected)
    positions = _positions(plan.x_level + plan.move, size)
    return total + work(plan.filters, positions, plan.move > 0)


@lru_cache(maxsize=1 << 12)
def operation_cost(operation: Operation, filters: int, positions: int, strided: bool) -> Cost:
    """An operation on C = `filters` channels that gives so many positions; `strided`: of stride
    2."""
    match operation:
        case Operation.SEPARABLE_3:
            return _separable_twice(3, filters, positions)
        case Operation.SEPARABLE_5:
            return _separable_twice(5, filters, positions)
        case Operation.ATROUS_3:
            return _convolution(9 * filters, filters, positions)
        case Operation.ATROUS_5:
            return _convolution(25 * filters, filters, positions)
        case Operation.AVERAGE | Operation.MAXIMUM:
            return Cost(0, 0)
        case Operation.SKIP:
            return _convolution(filters, filters, positions) if strided else Cost(0, 0)


def _aspp(channels: int, width: int, positions: int) -> Cost:
    total = _convolution(channels, width, positions) + _convolution(channels, width, 1)
    for _ in range(ATROUS_BRANCHES):
        total += _convolution(9 * channels, width, positions)
    return total + _convolution((ATROUS_BRANCHES + 2) * width, width, positions)


def _separable_twice(kernel: int, filters: int, positions: int) -> Cost:
    depthwise = kernel * kernel * filters
    once = Cost(depthwise, depthwise * positions) + _convolution(filters, filters, positions)
    return once * 2


def _convolution(taps: int, filters: int, positions: int) -> Cost:
    """A convolution whose every output reads `taps` numbers, with its batch norm."""
    return unit_cost(taps * filters, filters, positions)


@lru_cache(maxsize=1 << 8)
def _positions(level: int, size: tuple[int, int]) -> int:
    """How many positions a map at a level has, on the canvas of an image."""
    stride = STRIDES[level] if level in LEVELS else STEM_STRIDE
    return prod((side - 1 + (1 - side) % STRIDES[-1]) // stride + 1 for side in size)


def decoder_cost_of(path: Path, blocks: int, filters: int, size: tuple[int, int]) -> Cost:
    """The decoder of a network of F `filters`, for one image of `size` (H, W)."""
    low, narrow = trunk_channels(path, blocks, filters)[STRIDES[0]], low_width(filters)
    width = width_of(filters)
    weights = low * narrow + 9 * (width + narrow) * width + 9 * width * width
    norms = 2 * (narrow + 2 * width)
    return Cost(weights + norms, weights * _positions(0, size))


def class_scores_cost(classes: int, filters: int, size: tuple[int, int]) -> Cost:
    """The 1x1 convolution, with bias, that scores the classes."""
    weights = width_of(filters) * classes
    return Cost(weights + classes, weights * _positions(0, size))
