"""A dense prediction cell in the terminal: what it computes, and what each part costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.tree import Tree

from atrous.architecture import Architecture
from atrous.models.branch import FEATURES, Cell
from atrous.models.cost import CellCost, Cost, cell_cost
from atrous.spaces.dpc import ASPP, decode

ASPP_NOTE = (
    "The parameters printed for ASPP in Chen et al. 2018, table 1 (0.25M, 1.59M) fit no real ASPP: "
    "its 1x1 and three separable convolutions alone have 336,320 at 320 channels and 2,152,448 at "
    "2048. The printed multiply-adds do fit."
)


@dataclass(frozen=True)
class Description:
    """A cell with its cost on a feature map of `size` positions; `backbone` is its cost, if one
    was named."""

    architecture: Architecture
    cell: Cell
    channels: int
    filters: int
    size: tuple[int, int]
    cost: CellCost
    backbone: Cost | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and words."""
        return {
            "architecture": str(self.architecture),
            "channels": self.channels,
            "filters": self.filters,
            "size": list(self.size),
            "branches": [
                {"branch": i, "operation": str(b.operation), "input": b.input, **asdict(cost)}
                for i, (b, cost) in enumerate(zip(self.cell, self.cost.branches, strict=True))
            ],
            "branches_alone": asdict(self.cost.branches_alone),
            "projection": asdict(self.cost.projection),
            "batch_norm_parameters": self.cost.norms,
            "cell": asdict(self.cost.total),
            "backbone": asdict(self.backbone) if self.backbone else None,
        }


def describe(
    architecture: Architecture,
    channels: int,
    filters: int,
    size: tuple[int, int],
    backbone: Cost | None,
) -> Description:
    """The cell of an architecture with its cost on a map of `size` (H, W) positions."""
    cell = decode(architecture.genotype)
    cost = cell_cost(cell, channels, filters, size)
    return Description(architecture, cell, channels, filters, size, cost, backbone)


def render(description: Description) -> RenderableType:
    """A drawing of the cell and a table of its cost."""
    parts: list[RenderableType] = [str(description.architecture), "", _drawing(description), ""]
    parts.append(_table(description))
    if description.cell == ASPP:
        parts += ["", ASPP_NOTE]
    return Group(*parts)


def _drawing(description: Description) -> Tree:
    """What reads what; all branches end in the concatenation."""
    root = Tree(f"feature map, {description.channels} channels")
    nodes = {FEATURES: root}
    for number, branch in enumerate(description.cell):
        nodes[number] = nodes[branch.input].add(f"branch {number}: {branch.operation}")
    return root


def _table(description: Description) -> Table:
    height, width = description.size
    table = Table(title=f"on {height} x {width} positions, {description.filters} filters")
    table.add_column("part")
    table.add_column("parameters", justify="right")
    table.add_column("multiply-adds", justify="right")
    cost = description.cost
    for number, (branch, part) in enumerate(zip(description.cell, cost.branches, strict=True)):
        table.add_row(f"branch {number}: {branch}", *_numbers(part))
    table.add_section()
    table.add_row("branches alone (the paper's convention)", *_numbers(cost.branches_alone))
    table.add_row("projection", *_numbers(cost.projection))
    table.add_row("batch norm", f"{cost.norms:,}", "")
    table.add_row("whole cell", *_numbers(cost.total))
    if description.backbone:
        table.add_section()
        table.add_row("backbone", *_numbers(description.backbone))
        table.add_row("backbone and cell", *_numbers(description.backbone + cost.total))
    return table


def _numbers(cost: Cost) -> tuple[str, str]:
    return f"{cost.parameters:,}", f"{cost.multiply_adds:,}"
