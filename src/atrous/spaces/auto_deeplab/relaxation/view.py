"""A search by gradients through the trellis as it is shown. Without torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import fmean

from atrous.core.drawing import BLUE, GREEN, INK, MUTED, ORANGE
from atrous.core.words import MINUS, TIMES
from atrous.relax.collapse import Snapshot, entropy_share
from atrous.spaces.auto_deeplab.cell import NONE, OPERATIONS, Operation, edges, state_name
from atrous.spaces.auto_deeplab.relaxation.decoding import (
    OPERATIONS_GROUP,
    POOLING,
    WAYS_GROUP,
    arrow_probabilities,
    blocks_of,
    layers_with,
    node_probabilities,
    share_of,
    ways_of,
)
from atrous.spaces.auto_deeplab.space import Decoded, decode, layers_of
from atrous.spaces.auto_deeplab.trellis import LEVELS, STRIDES, draw_trellis, levels_at
from atrous.spaces.view import DASHED, DOTTED, SOLID, Chart, Dash, Grid, Line, Place, RelaxationView

NARROW, WIDE = 40.0, 62.0
KERNEL = re.compile(r"(?<=\d)x(?=\d)")
OPERATION_LINES: dict[str, tuple[str, Dash]] = {
    Operation.SEPARABLE_3: (BLUE, SOLID),
    Operation.SEPARABLE_5: (BLUE, DASHED),
    Operation.ATROUS_3: (ORANGE, SOLID),
    Operation.ATROUS_5: (ORANGE, DASHED),
    Operation.AVERAGE: (GREEN, SOLID),
    Operation.MAXIMUM: (GREEN, DASHED),
    Operation.SKIP: (INK, SOLID),
    NONE: (MUTED, DOTTED),
}
STRIDE_COLOURS = (BLUE, ORANGE, GREEN, INK)


def line(snapshot: Snapshot) -> str:
    """Tells skips and poolings of the cell, and the path."""
    found = _decoded(snapshot)
    strides = " ".join(str(STRIDES[level]) for level in found.path)
    skips, pools = share_of(found.cell, Operation.SKIP), share_of(found.cell, *POOLING)
    return f"skip {skips:.0%} pool {pools:.0%}  {strides}"


def facts(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Tells skips and poolings of the cell, and the path, by name."""
    found = _decoded(snapshot)
    return [
        ("Edges that skip", f"{share_of(found.cell, Operation.SKIP):.0%}"),
        ("Edges that pool", f"{share_of(found.cell, *POOLING):.0%}"),
        ("Strides decoded", ", ".join(str(STRIDES[level]) for level in found.path)),
    ]


def draw(snapshot: Snapshot) -> str:
    """Draws the trellis with the probability of each arrow, the decoded path in bold."""
    path = _decoded(snapshot).path
    taken = arrow_probabilities(ways_of(snapshot.probabilities))
    return draw_trellis(len(path), taken, path)


def reading(neutral: bool) -> str:
    """Tells how the trellis is read."""
    preference = (
        " The strides at both edges have two exits where the others have three, so that equal "
        "probabilities already prefer them; <code>--neutral</code> decodes without this."
    )
    return (
        "The trellis shows every way through the resolutions: the wider an arrow, the likelier a "
        "walk by the learnt probabilities takes it; the bold path was decoded."
        + ("" if neutral else preference)
    )


def charts(snapshots: Sequence[Snapshot]) -> list[Chart]:
    """Shows operations, strides and how undecided both are, over the steps."""
    return [_operations_chart(snapshots), _strides_chart(snapshots), _entropy_chart(snapshots)]


def grids(snapshot: Snapshot) -> list[Grid]:
    """Shows the probabilities of operations on edges, and of strides in layers."""
    return [_operations_grid(snapshot), _strides_grid(snapshot)]


SEARCH_VIEW = RelaxationView(line, facts, draw, reading, charts, grids)


def operation_name(name: str) -> str:
    """Returns the name of an operation or of `none`, as figures write it: `sep 3×3`."""
    return KERNEL.sub(TIMES, str(name))


def _operations_chart(snapshots: Sequence[Snapshot]) -> Chart:
    means = [[fmean(c) for c in zip(*_operations(s), strict=True)] for s in snapshots]
    lines = [
        Line(operation_name(name), *OPERATION_LINES[name], [mean[place] for mean in means])
        for place, name in enumerate((*OPERATIONS, NONE))
    ]
    return Chart(
        "relaxed-operations",
        "Mean probability of each operation over the edges of the cell, against steps",
        "mean probability",
        lines,
        "Mean probability of each operation over the cell's edges.",
    )


def _strides_chart(snapshots: Sequence[Snapshot]) -> Chart:
    shares = [_by_level(snapshot) for snapshot in snapshots]
    lines = [
        Line(f"stride {STRIDES[level]}", STRIDE_COLOURS[level], SOLID, [s[level] for s in shares])
        for level in LEVELS
    ]
    return Chart(
        "relaxed-strides",
        "Part of its layers that a walk by beta spends at each stride, against steps",
        "part of the layers",
        lines,
        "Part of the layers that a walk by beta spends at each stride.",
    )


def _entropy_chart(snapshots: Sequence[Snapshot]) -> Chart:
    alpha = [entropy_share(_operations(snapshot)) for snapshot in snapshots]
    beta = [entropy_share(snapshot.probabilities[WAYS_GROUP]) for snapshot in snapshots]
    return Chart(
        "relaxed-entropy",
        "Mean entropy of operations and of the path, as part of the largest, against steps",
        "entropy / largest",
        [Line("operations", BLUE, SOLID, alpha), Line("path", ORANGE, SOLID, beta)],
        "Entropy of operations and ways, as part of the largest.",
        " {:.2f}",
    )


def _operations_grid(snapshot: Snapshot) -> Grid:
    probabilities, found = _operations(snapshot), _decoded(snapshot)
    places = edges(blocks_of(len(probabilities)))
    kept = [(n, edge) for n, b in enumerate(found.cell) for edge in (b.first, b.second)]
    return Grid(
        "relaxed-edges",
        "Probability of each operation on each edge of the cell",
        "Probability of each operation on each edge at the end, in per cent; what was decoded is "
        "framed.",
        rows=[f"block {block}, {state_name(state)}".replace("-", MINUS) for block, state in places],
        columns=[operation_name(name).replace(" ", "\n") for name in (*OPERATIONS, NONE)],
        values={(r, c): p for r, row in enumerate(probabilities) for c, p in enumerate(row)},
        chosen={(places.index((n, e.state)), OPERATIONS.index(e.operation)) for n, e in kept},
        parted=[row for row, (block, state) in enumerate(places) if block and state == 0],
        wide=WIDE,
    )


def _strides_grid(snapshot: Snapshot) -> Grid:
    ways = ways_of(snapshot.probabilities)
    layers, passed = layers_with(len(ways)), node_probabilities(ways)
    chosen: set[Place] = {(level, layer) for layer, level in enumerate(_decoded(snapshot).path)}
    return Grid(
        "relaxed-layers",
        "Probability that a walk by beta passes each stride in each layer",
        "Probability that a walk by beta passes each stride in each layer, in per cent; the "
        "decoded path is framed.",
        rows=[f"stride {stride}" for stride in STRIDES],
        columns=[f"layer {layer}".replace(" ", "\n") for layer in range(layers)],
        values={(v, n): passed[n, v] for n in range(layers) for v in levels_at(n)},
        chosen=chosen,
        parted=LEVELS[1:],
        wide=NARROW,
    )


def _operations(snapshot: Snapshot) -> Sequence[Sequence[float]]:
    return snapshot.probabilities[OPERATIONS_GROUP]


def _by_level(snapshot: Snapshot) -> list[float]:
    """The expected part of the layers at each level."""
    ways = ways_of(snapshot.probabilities)
    passed, layers = node_probabilities(ways), layers_with(len(ways))
    return [sum(p for (_, at), p in passed.items() if at == level) / layers for level in LEVELS]


def _decoded(snapshot: Snapshot) -> Decoded:
    space, _, choices = snapshot.architecture.partition(":")
    return decode(tuple(map(int, choices.split("."))), layers_of(space))
