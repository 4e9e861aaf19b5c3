"""The space of dense prediction cells (Chen et al. 2018, section 3.2).

A cell has B branches. Branch i reads the feature map or one of the i earlier branches, and applies
one of 81 operations: a 1x1 convolution, a 3x3 separable convolution at one of 8 x 8 atrous rates,
or average pooling over one of 4 x 4 grids. With B = 5: 5! * 81^5 = 418,414,128,120 cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

from atrous.core.architecture import Architecture, Cost, Genotype
from atrous.core.errors import AtrousError
from atrous.core.grammar import Independent
from atrous.spaces.dpc.cell import (
    FEATURES,
    Branch,
    Cell,
    Convolution1x1,
    GridPooling,
    Operation,
    SeparableConvolution,
)
from atrous.spaces.dpc.drawing import tree
from atrous.spaces.space import Shape, Space

if TYPE_CHECKING:
    from atrous.networks.pyramid import Part


NAME = "dpc"
RATES = (1, 3, 6, 9, 12, 15, 18, 21)
GRIDS = (1, 2, 4, 8)
OPERATIONS: tuple[Operation, ...] = (
    Convolution1x1(),
    *(SeparableConvolution(rate) for rate in product(RATES, RATES)),
    *(GridPooling(grid) for grid in product(GRIDS, GRIDS)),
)

ASPP: Cell = (
    Branch(Convolution1x1(), FEATURES),
    Branch(SeparableConvolution((6, 6)), FEATURES),
    Branch(SeparableConvolution((12, 12)), FEATURES),
    Branch(SeparableConvolution((18, 18)), FEATURES),
    Branch(GridPooling((1, 1)), FEATURES),
)
"""Atrous spatial pyramid pooling (DeepLabv3+), written as a cell."""

ASPP_PARTS = ("1x1", "r6", "r12", "r18", "pool")
"""ASPP's branches: a 1x1 convolution, a 3x3 at rates 6, 12 and 18, pooling over the whole map."""

TOP1: Cell = (
    Branch(SeparableConvolution((1, 6)), FEATURES),
    Branch(SeparableConvolution((18, 15)), 0),
    Branch(SeparableConvolution((6, 3)), 1),
    Branch(SeparableConvolution((1, 1)), 0),
    Branch(SeparableConvolution((6, 21)), 0),
)
"""The best cell published for Cityscapes (Chen et al. 2018, figure 5)."""


def dpc(branches: int = 5) -> Space:
    """The space of cells with `branches` branches; raises `AtrousError` unless 1 to 99."""
    if not 1 <= branches <= 99:
        raise AtrousError(f"Expected a cell with 1 to 99 branches, got {branches}.")
    return Space(
        name=NAME if branches == 5 else f"{NAME}-{branches}",
        title=f"dense prediction cells with {branches} branches (Chen et al. 2018)",
        rules=Independent(tuple(decisions(branches))),
        canonical=canonical,
        build=build,
        cost=cost,
        decision=decision,
        sketch=sketch,
        published={"aspp": encode(ASPP), "top1": encode(TOP1)} if branches == 5 else {},
    )


def cell_of(architecture: Architecture) -> Cell:
    """The cell of an architecture; raises `AtrousError` for one of another family of spaces."""
    if architecture.family != NAME:
        raise AtrousError(
            f"Expected a dense prediction cell, such as dpc:top1, got {str(architecture)[:80]}."
        )
    return decode(architecture.genotype)


def decode(genotype: Genotype) -> Cell:
    """The cell that a genotype spells."""
    pairs = zip(genotype[::2], genotype[1::2], strict=True)
    return tuple(Branch(OPERATIONS[operation], source - 1) for source, operation in pairs)


def encode(cell: Cell) -> Genotype:
    """The genotype of a cell; raises `AtrousError` for an operation outside the space."""
    genotype: list[int] = []
    for number, branch in enumerate(cell):
        if branch.operation not in OPERATIONS:
            raise AtrousError(
                f"Branch {number}: {branch.operation} is not in the space. Rates are from "
                f"{RATES}, grids from {GRIDS}, per axis."
            )
        genotype += [branch.input + 1, OPERATIONS.index(branch.operation)]
    return tuple(genotype)


@lru_cache(maxsize=1 << 16)  # a strategy asks for the whole history at each proposal
def canonical(genotype: Genotype) -> Genotype:
    """One genotype for all that differ by the order of their branches.

    A branch has one input, so a cell is a tree rooted at the feature map; equal trees, children
    in any order, are one cell (the projection reads a concatenation, whose order is free). Not
    joined: cells that happen to coincide on small maps, where a large rate sees padding alone.
    """
    cell = decode(genotype)

    def subtree(number: int) -> tuple[Any, ...]:
        children = sorted(subtree(k) for k, b in enumerate(cell) if b.input == number)
        return (genotype[2 * number + 1] if number != FEATURES else -1, *children)

    ordered: list[int] = []

    def emit(tree: tuple[Any, ...], source: int) -> None:
        for child in tree[1:]:
            ordered.extend((source, child[0]))
            emit(child, len(ordered) // 2)

    emit(subtree(FEATURES), 0)
    return tuple(ordered)


def ablations() -> dict[str, Architecture]:
    """Every way to leave branches out of ASPP by name (`1x1+r6`), the smaller first.

    Chen et al. 2018, section 4.1, measure a space of 31 cells but do not list them. ASPP's five
    branches have 31 non-empty subsets; which 31 the authors took is not known. All branches read
    the feature map.
    """
    numbers = range(len(ASPP))
    subsets = [s for size in numbers for s in combinations(numbers, size + 1)]
    return {"+".join(ASPP_PARTS[k] for k in subset): _part_of_aspp(subset) for subset in subsets}


def _part_of_aspp(subset: tuple[int, ...]) -> Architecture:
    space = dpc(len(subset))
    return space.architecture(space.canonical(encode(tuple(ASPP[k] for k in subset))))


def decisions(branches: int) -> Iterator[int]:
    """How many choices each decision has: the input of a branch (0 is the feature map, k is branch
    k - 1), then its operation."""
    for number in range(branches):
        yield number + 1
        yield len(OPERATIONS)


def decision(position: int) -> str:
    """The name of a decision."""
    return f"branch {position // 2} {'operation' if position % 2 else 'input'}"


def sketch(genotype: Genotype) -> str:
    """The cell in plain text."""
    return tree(decode(genotype))


def cost(genotype: Genotype, maps: Mapping[int, Shape], filters: int) -> Cost:
    """The cost of the whole cell on the deepest map."""
    channels, *size = maps[max(maps)]
    return cell_cost(decode(genotype), channels, filters, (size[0], size[1])).total


def build(genotype: Genotype, channels: Mapping[int, int], filters: int) -> Part:
    """The cell as a part that reads the deepest map and gives one of `filters` channels."""
    from atrous.spaces.dpc.module import DensePredictionCell

    return DensePredictionCell(decode(genotype), channels, filters)


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
