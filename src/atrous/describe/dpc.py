"""A dense prediction cell in the terminal: what it computes, and what each part costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.tree import Tree

from atrous.core.architecture import Architecture
from atrous.describe.asked import FILTERS, Asked, FeatureMap, feature_map, numbers
from atrous.spaces.dpc.cell import FEATURES, Cell
from atrous.spaces.dpc.cost import CellCost, cell_cost
from atrous.spaces.dpc.space import ASPP, cell_of

ASPP_NOTE = (
    "The parameters printed for ASPP in Chen et al. 2018, table 1 (0.25M, 1.59M) fit no real ASPP: "
    "its 1x1 and three separable convolutions alone have 336,320 at 320 channels and 2,152,448 at "
    "2048. The printed multiply-adds do fit."
)


@dataclass(frozen=True)
class DescribedCell:
    """A cell with its cost on the feature map that it reads."""

    architecture: Architecture
    cell: Cell
    reads: FeatureMap
    filters: int
    cost: CellCost

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and words."""
        backbone = self.reads.backbone
        return {
            "architecture": str(self.architecture),
            "channels": self.reads.channels,
            "filters": self.filters,
            "size": list(self.reads.size),
            "branches": [
                {"branch": i, "operation": str(b.operation), "input": b.input, **asdict(cost)}
                for i, (b, cost) in enumerate(zip(self.cell, self.cost.branches, strict=True))
            ],
            "branches_alone": asdict(self.cost.branches_alone),
            "projection": asdict(self.cost.projection),
            "batch_norm_parameters": self.cost.norms,
            "cell": asdict(self.cost.total),
            "backbone": asdict(backbone) if backbone else None,
        }

    def render(self) -> RenderableType:
        """A drawing of the cell and a table of its cost."""
        parts: list[RenderableType] = [str(self.architecture), "", _drawing(self), ""]
        parts.append(_table(self))
        if self.cell == ASPP:
            parts += ["", ASPP_NOTE]
        return Group(*parts)


def describe(architecture: Architecture, asked: Asked) -> DescribedCell:
    """The cell of an architecture with its cost on the map asked for. Raises `AtrousError`."""
    return described(architecture, feature_map(asked), asked.filters or FILTERS)


def described(architecture: Architecture, reads: FeatureMap, filters: int) -> DescribedCell:
    """The cell of an architecture with its cost on a feature map."""
    cell = cell_of(architecture)
    cost = cell_cost(cell, reads.channels, filters, reads.size)
    return DescribedCell(architecture, cell, reads, filters, cost)


def _drawing(description: DescribedCell) -> Tree:
    """What reads what; all branches end in the concatenation."""
    root = Tree(f"feature map, {description.reads.channels} channels")
    nodes = {FEATURES: root}
    for number, branch in enumerate(description.cell):
        nodes[number] = nodes[branch.input].add(f"branch {number}: {branch.operation}")
    return root


def _table(description: DescribedCell) -> Table:
    height, width = description.reads.size
    table = Table(title=f"on {height} x {width} positions, {description.filters} filters")
    table.add_column("part")
    table.add_column("parameters", justify="right")
    table.add_column("multiply-adds", justify="right")
    cost = description.cost
    for number, (branch, part) in enumerate(zip(description.cell, cost.branches, strict=True)):
        table.add_row(f"branch {number}: {branch}", *numbers(part))
    table.add_section()
    table.add_row("branches alone (the paper's convention)", *numbers(cost.branches_alone))
    table.add_row("projection", *numbers(cost.projection))
    table.add_row("batch norm", f"{cost.norms:,}", "")
    table.add_row("whole cell", *numbers(cost.total))
    if backbone := description.reads.backbone:
        table.add_section()
        table.add_row("backbone", *numbers(backbone))
        table.add_row("backbone and cell", *numbers(backbone + cost.total))
    return table
