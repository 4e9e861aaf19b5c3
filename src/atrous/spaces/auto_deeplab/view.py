"""How networks of Auto-DeepLab are shown: the trellis with their path, their cell, and what their
parts cost."""

from __future__ import annotations

from dataclasses import asdict

from atrous.core.architecture import Architecture
from atrous.core.drawing import stacked
from atrous.core.words import MINUS, TIMES, quantity
from atrous.spaces.auto_deeplab.cell import (
    BEFORE,
    PREVIOUS,
    Block,
    Edge,
    Operation,
    RepeatedCell,
    state_name,
)
from atrous.spaces.auto_deeplab.cost import class_scores_cost, decoder_cost_of, network_cost_of
from atrous.spaces.auto_deeplab.space import PUBLISHED_CELL, PUBLISHED_PATH, Decoded, decoded
from atrous.spaces.auto_deeplab.trellis import STRIDES, network_text, trellis
from atrous.spaces.view import IMAGE, Asked, Description, Drawing, Observed, View, refuse_backbone
from atrous.spaces.wiring import BOTH, NOTHING, PLAIN, POOLED, WIDE, Box, Colours, Diagram, Joint

SMALL = 20
"""F of the smallest network that was published, Auto-DeepLab-S."""
CLASSES = 19
"""The classes of Cityscapes."""
PAPER_NOTE = (
    "Liu et al. 2019, table 2, print 333.25B, 460.93B and 695.03B multiply-adds for F = 20, 32 and "
    "48. This count gives 320.45B, 439.92B and 662.42B at 1025 x 2049 with 19 classes, and exactly "
    "the paper's parameters (10.15M, 21.62M, 44.42M). TensorFlow pads maps to a multiple of the "
    "rate for dilated convolutions (space-to-batch), which explains 7.4B, 12.4B and 19.7B of the "
    "difference; the rest, 5.4B, 8.6B and 12.9B, grows in proportion to F and is unexplained."
)

GAP = 30
WIRED = {PREVIOUS: 1, BEFORE: 0}
"""Where the states that a cell is given stand in its drawing, from left to right."""
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


def operation_lines(operation: Operation) -> tuple[str, ...]:
    """An operation in one or two short lines."""
    name, *kernel = str(operation).split()
    return (name, *(size.replace("x", TIMES) for size in kernel))


def operation_colours(operation: Operation) -> Colours:
    """The tint and the colour of an operation's kind, the same in all drawings."""
    match operation:
        case Operation.SEPARABLE_3 | Operation.SEPARABLE_5:
            return PLAIN
        case Operation.ATROUS_3 | Operation.ATROUS_5:
            return WIDE
        case Operation.AVERAGE | Operation.MAXIMUM:
            return POOLED
        case Operation.SKIP:
            return NOTHING


def states(block: Block) -> tuple[int, int]:
    """The two states that a block reads."""
    return block.first.state, block.second.state


def wiring(cell: RepeatedCell) -> Diagram:
    """The graph of a cell, whose blocks are all concatenated."""

    def box(edge: Edge) -> Box:
        place = (WIRED.get(edge.state, edge.state), BOTH)
        return Box(place, operation_lines(edge.operation), operation_colours(edge.operation))

    joints = tuple(Joint((box(block.first), box(block.second))) for block in cell)
    given = tuple(GIVEN[state] for state in sorted(WIRED, key=lambda state: WIRED[state]))
    ends = tuple((number, BOTH) for number in range(len(given), len(given) + len(cell)))
    return Diagram(given, joints, ends)


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
    both = stacked(upper, wiring(found.cell).shapes(), GAP)
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
    longest = quantity(max(wiring(found.cell).depths()), "block")
    choices = [*((STRIDE, stride) for stride in strides), (LAST, strides[-1]), (DEPTH, longest)]
    for block in found.cell:
        choices += [(INPUT, GIVEN.get(state, BLOCK)) for state in states(block)]
        for edge in (block.first, block.second):
            choices.append((OPERATION, " ".join(operation_lines(edge.operation))))
    return choices


def describe(architecture: Architecture, asked: Asked) -> Description:
    """The network with its cost on the image asked for. Raises `AtrousError`."""
    refuse_backbone(architecture, asked)
    found = decoded(architecture)
    filters, size = asked.filters or SMALL, asked.size or IMAGE
    encoder = network_cost_of(found.path, found.cell, filters, size)
    decoder = decoder_cost_of(found.path, len(found.cell), filters, size)
    scores = class_scores_cost(CLASSES, filters, size)
    whole = encoder + decoder + scores
    strides = [STRIDES[level] for level in found.path]
    parts = (("trunk and ASPP", encoder), ("decoder", decoder), ("class scores", scores))
    spelt = f"strides {' '.join(map(str, strides))}"
    return Description(
        sketch=f"{spelt}\n\n{network_text(found.path, found.cell)}",
        title=f"on an image of {size[0]} x {size[1]}, F = {filters}, {CLASSES} classes",
        parts=(parts, (("whole network", whole),)),
        facts={
            "architecture": str(architecture),
            "filters": filters,
            "size": list(size),
            "classes": CLASSES,
            "strides": strides,
            "blocks": [
                {"block": number, "first": _edge(block.first), "second": _edge(block.second)}
                for number, block in enumerate(found.cell)
            ],
            "trunk_and_aspp": asdict(encoder),
            "decoder": asdict(decoder),
            "class_scores": asdict(scores),
            "network": asdict(whole),
        },
        note=PAPER_NOTE if found == Decoded(PUBLISHED_PATH, PUBLISHED_CELL) else "",
    )


def _edge(edge: Edge) -> dict[str, str]:
    return {"operation": str(edge.operation), "input": state_name(edge.state)}


VIEW = View(
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
    describe=describe,
    draw=draw,
)
