"""How networks of Auto-DeepLab are shown: the trellis with their path, and their cell."""

from __future__ import annotations

from atrous.core.architecture import Architecture
from atrous.core.svg import stacked
from atrous.core.words import MINUS, quantity
from atrous.report.cell_graph import (
    block_depths,
    draw_repeated_cell,
    operation_lines,
    states,
)
from atrous.report.trellis import trellis
from atrous.spaces.auto_deeplab.cell import BEFORE, PREVIOUS, Operation
from atrous.spaces.auto_deeplab.space import decoded
from atrous.spaces.auto_deeplab.trellis import STRIDES
from atrous.spaces.view import Drawing, Observed, View

GAP = 30
STRIDE, LAST, OPERATION, INPUT, DEPTH = (
    "Stride of a layer",
    "Stride of the last layer",
    "Operation",
    "Input of a block",
    "Longest chain",
)
PER_STRIDE = tuple(f"stride {stride}" for stride in STRIDES)
GIVEN = {PREVIOUS: f"layer {MINUS} 1", BEFORE: f"layer {MINUS} 2"}
BLOCK = "earlier block"
ORDER: dict[str, tuple[str, ...]] = {
    STRIDE: PER_STRIDE,
    LAST: PER_STRIDE,
    OPERATION: tuple(" ".join(operation_lines(operation)) for operation in Operation),
    INPUT: (*GIVEN.values(), BLOCK),
    DEPTH: (),
}


def draw(architecture: Architecture) -> Drawing:
    """The trellis above the cell."""
    found = decoded(architecture)
    upper = trellis(len(found.path), None, found.path)
    both = stacked(upper, draw_repeated_cell(found.cell), GAP)
    return Drawing(both.svg(f"Network: {words(architecture)}"), round(both.width))


def words(architecture: Architecture) -> str:
    """The strides and the blocks in a line."""
    found = decoded(architecture)
    strides = " ".join(str(STRIDES[level]) for level in found.path)
    blocks = (f"{n}: {block.first} + {block.second}" for n, block in enumerate(found.cell))
    return "; ".join((f"strides {strides}", *blocks))


def observed(architecture: Architecture) -> list[Observed]:
    """The strides of layers, what each block does and reads, and the longest chain of blocks."""
    found = decoded(architecture)
    strides = [PER_STRIDE[level] for level in found.path]
    longest = quantity(max(block_depths(found.cell)), "block")
    choices = [*((STRIDE, stride) for stride in strides), (LAST, strides[-1]), (DEPTH, longest)]
    for block in found.cell:
        choices += [(INPUT, GIVEN.get(state, BLOCK)) for state in states(block)]
        for edge in (block.first, block.second):
            choices.append((OPERATION, " ".join(operation_lines(edge.operation))))
    return choices


AUTO_DEEPLAB = View(
    noun="network",
    reading=(
        "Above, layers from left to right and their strides from top to bottom, the path in bold. "
        "Below, the cell of every layer, read upwards: each block adds what two operations make "
        "of two states, the outputs of the two layers before or of earlier blocks. Wires that "
        "cross without a dot do not meet; blocks are counted below the plus signs."
    ),
    shared="layers, of operations and of inputs (of networks, for the last layer and the chain)",
    words=words,
    observed=observed,
    order=ORDER,
    draw=draw,
)
