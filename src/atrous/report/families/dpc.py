"""How dense prediction cells are shown."""

from __future__ import annotations

from collections.abc import Sequence

from atrous.core.architecture import Architecture
from atrous.core.words import DASH, TIMES, quantity
from atrous.report.diagram import diagram_width, draw_cell
from atrous.report.figures import weights_figure
from atrous.report.tree import depths
from atrous.spaces.dpc.cell import (
    FEATURES,
    Cell,
    Convolution1x1,
    GridPooling,
    Operation,
    SeparableConvolution,
)
from atrous.spaces.dpc.space import cell_of
from atrous.spaces.dpc.view import cell_words
from atrous.spaces.view import Drawing, Observed, View

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
    """What each branch is and reads, and the longest chain."""
    return observed_in(cell_of(architecture))


def observed_in(cell: Cell) -> list[Observed]:
    """Every choice that a cell makes."""
    found: list[Observed] = [(DEPTH, quantity(max(depths(cell)), "branch", "branches"))]
    for branch in cell:
        source = "feature map" if branch.input == FEATURES else "earlier branch"
        found += [(INPUT, source), *_of_operation(branch.operation)]
    return found


def weights(architecture: Architecture, norms: Sequence[float]) -> str | None:
    """How strongly the projection reads each branch, if that is known of every one."""
    cell = cell_of(architecture)
    return weights_figure(cell, norms) if len(norms) == len(cell) else None


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


DPC = View(
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
    weights=weights,
)
