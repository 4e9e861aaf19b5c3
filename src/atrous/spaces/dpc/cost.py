"""Parameters and multiply-adds of a cell, by arithmetic alone.

The paper's convention (Chen et al. 2018, table 1), found by search over conventions: convolution
weights only, no batch norm, no projection, on the feature map of the whole image (65 x 129 for
Cityscapes at output stride 16). It gives the printed parameters of the cell exactly (0.36 and 0.81
million) and all four printed multiply-adds within 0.5 %. The parameters printed for ASPP (0.25 and
1.59 million) fit no real ASPP: its 1x1 and three separable convolutions alone have 336,320 and
2,152,448; the printed figures are what remains when two of the three atrous branches are dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

from atrous.core.cost import Cost
from atrous.spaces.dpc.cell import (
    FEATURES,
    Branch,
    Cell,
    Convolution1x1,
    GridPooling,
    SeparableConvolution,
)


@dataclass(frozen=True)
class CellCost:
    """The cost of each branch, and of the projection, in convolution weights; `norms` counts the
    batch norm scales and shifts of the whole cell."""

    branches: tuple[Cost, ...]
    projection: Cost
    norms: int

    @property
    def branches_alone(self) -> Cost:
        """The paper's convention."""
        return sum(self.branches, Cost(0, 0))

    @property
    def total(self) -> Cost:
        """Everything trainable in the cell, and every multiply-add of its convolutions."""
        return self.branches_alone + self.projection + Cost(self.norms, 0)


def cell_cost(cell: Cell, channels: int, filters: int, size: tuple[int, int]) -> CellCost:
    """The cost of a cell on a feature map of `size` (H, W) positions with `channels` channels."""
    positions = size[0] * size[1]
    inputs = [channels if branch.input == FEATURES else filters for branch in cell]
    costs = tuple(_branch_cost(b, c, filters, positions) for b, c in zip(cell, inputs, strict=True))
    weights = len(cell) * filters * filters
    norms = filters + sum(_norms(b, c, filters) for b, c in zip(cell, inputs, strict=True))
    return CellCost(costs, Cost(weights, weights * positions), 2 * norms)


def _branch_cost(branch: Branch, channels: int, filters: int, positions: int) -> Cost:
    match branch.operation:
        case Convolution1x1():
            weights = channels * filters
            return Cost(weights, weights * positions)
        case SeparableConvolution():
            weights = 9 * channels + channels * filters
            return Cost(weights, weights * positions)
        case GridPooling(grid=(rows, columns)):
            weights = channels * filters
            return Cost(weights, weights * rows * columns)


def _norms(branch: Branch, channels: int, filters: int) -> int:
    separable = isinstance(branch.operation, SeparableConvolution)
    return filters + (channels if separable else 0)
