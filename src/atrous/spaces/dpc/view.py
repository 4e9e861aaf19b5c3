"""How dense prediction cells are shown, and what their parts cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from atrous.core.architecture import Architecture, Cost
from atrous.core.words import DASH, TIMES, quantity
from atrous.spaces.dpc.cell import (
    FEATURES,
    Cell,
    Convolution1x1,
    GridPooling,
    Operation,
    SeparableConvolution,
)
from atrous.spaces.dpc.drawing import (
    branch_words,
    cell_words,
    depths,
    diagram_width,
    draw_cell,
    operation_colours,
    tree,
)
from atrous.spaces.dpc.space import ASPP, CellCost, cell_cost, cell_of
from atrous.spaces.view import (
    FILTERS,
    Asked,
    Description,
    Drawing,
    FeatureMap,
    Observed,
    View,
    feature_map,
)

ASPP_NOTE = (
    "The parameters printed for ASPP in Chen et al. 2018, table 1 (0.25M, 1.59M) fit no real ASPP: "
    "its 1x1 and three separable convolutions alone have 336,320 at 320 channels and 2,152,448 at "
    "2048. The printed multiply-adds do fit."
)

OPERATION, INPUT, DEPTH = "Operation", "Input", "Longest chain"
VERTICAL, HORIZONTAL, GRID = f"Vertical rate of 3{TIMES}3", f"Horizontal rate of 3{TIMES}3", "Grid"
SMALL, MEDIUM, LARGE = f"small (1{DASH}6)", f"medium (9{DASH}12)", f"large (15{DASH}21)"
ORDER: dict[str, tuple[str, ...]] = {
    OPERATION: (f"1{TIMES}1", f"3{TIMES}3", "pooling"),
    INPUT: ("feature map", "earlier branch"),
    VERTICAL: (SMALL, MEDIUM, LARGE),
    HORIZONTAL: (SMALL, MEDIUM, LARGE),
    GRID: (f"whole map (1{TIMES}1)", "finer"),
    DEPTH: (),
}


def draw(architecture: Architecture) -> Drawing:
    """The cell as a tree."""
    cell = cell_of(architecture)
    return Drawing(draw_cell(cell), diagram_width(cell))


def words(architecture: Architecture) -> str:
    """The branches in a line."""
    return cell_words(cell_of(architecture))


def observed(architecture: Architecture) -> list[Observed]:
    """The kind and the input of each branch, and the longest chain."""
    return observed_in(cell_of(architecture))


def observed_in(cell: Cell) -> list[Observed]:
    """Every choice that a cell makes."""
    found: list[Observed] = [(DEPTH, quantity(max(depths(cell)), "branch", "branches"))]
    for branch in cell:
        source = "feature map" if branch.input == FEATURES else "earlier branch"
        found += [(INPUT, source), *_of_operation(branch.operation)]
    return found


def branches(architecture: Architecture) -> list[tuple[str, str]]:
    """The branches in words, each with the colour of its operation."""
    cell = cell_of(architecture)
    return [(branch_words(branch), operation_colours(branch.operation)[1]) for branch in cell]


def describe(architecture: Architecture, asked: Asked) -> Description:
    """The cell with its cost on the map asked for. Raises `AtrousError`."""
    return described(architecture, feature_map(asked), asked.filters or FILTERS)


def described(architecture: Architecture, reads: FeatureMap, filters: int) -> Description:
    """The cell with its cost on a feature map."""
    cell = cell_of(architecture)
    cost = cell_cost(cell, reads.channels, filters, reads.size)
    return Description(
        sketch=tree(cell, f"feature map, {reads.channels} channels"),
        title=f"on {reads.size[0]} x {reads.size[1]} positions, {filters} filters",
        parts=tuple(_parts(cell, cost, reads.backbone)),
        facts={
            "architecture": str(architecture),
            "channels": reads.channels,
            "filters": filters,
            "size": list(reads.size),
            "branches": [
                {"branch": i, "operation": str(b.operation), "input": b.input, **asdict(part)}
                for i, (b, part) in enumerate(zip(cell, cost.branches, strict=True))
            ],
            "branches_alone": asdict(cost.branches_alone),
            "projection": asdict(cost.projection),
            "batch_norm_parameters": cost.norms,
            "cell": asdict(cost.total),
            "backbone": asdict(reads.backbone) if reads.backbone else None,
        },
        note=ASPP_NOTE if cell == ASPP else "",
    )


def _parts(
    cell: Cell, cost: CellCost, backbone: Cost | None
) -> Iterator[tuple[tuple[str, Cost], ...]]:
    lines = enumerate(zip(cell, cost.branches, strict=True))
    yield tuple((f"branch {number}: {branch}", part) for number, (branch, part) in lines)
    yield (
        ("branches alone (the paper's convention)", cost.branches_alone),
        ("projection", cost.projection),
        ("batch norm", Cost(cost.norms, 0)),
        ("whole cell", cost.total),
    )
    if backbone:
        yield ("backbone", backbone), ("backbone and cell", backbone + cost.total)


def _of_operation(operation: Operation) -> list[Observed]:
    match operation:
        case Convolution1x1():
            return [(OPERATION, f"1{TIMES}1")]
        case SeparableConvolution(rate=(vertical, horizontal)):
            bands = [(VERTICAL, _band(vertical)), (HORIZONTAL, _band(horizontal))]
            return [(OPERATION, f"3{TIMES}3"), *bands]
        case GridPooling(grid=grid):
            name = ORDER[GRID][0] if grid == (1, 1) else "finer"
            return [(OPERATION, "pooling"), (GRID, name)]


def _band(rate: int) -> str:
    return SMALL if rate <= 6 else MEDIUM if rate <= 12 else LARGE


VIEW = View(
    noun="cell",
    reading=(
        "Read upwards: every branch reads the feature map or an earlier branch, and all are "
        "concatenated. Numbers in corners count branches; rates and grids are vertical "
        f"{TIMES} horizontal."
    ),
    shared="branches (of cells, for the longest chain)",
    words=words,
    observed=observed,
    order=ORDER,
    draw=draw,
    describe=describe,
    branches=branches,
)
