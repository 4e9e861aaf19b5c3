"""Where a differentiable search stands: the probabilities of operations and of strides as maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atrous.core.plot import draw
from atrous.core.svg import BLUE, FAINT, INK
from atrous.core.words import MINUS
from atrous.relax.history import Snapshot
from atrous.report.relaxation import operation_name
from atrous.spaces import find_architecture
from atrous.spaces.auto_deeplab.cell import NONE, OPERATIONS, edges, state_name
from atrous.spaces.auto_deeplab.relaxation.decoding import blocks_of
from atrous.spaces.auto_deeplab.relaxation.walk import (
    OPERATIONS_GROUP,
    layers_of,
    node_probabilities,
    ways_of,
)
from atrous.spaces.auto_deeplab.space import Decoded, decoded
from atrous.spaces.auto_deeplab.trellis import LEVELS, STRIDES, levels_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW, NARROW, WIDE = 22.0, 40.0, 62.0
LEFT, TOP, MARGIN = 136.0, 34.0, 8.0
DARKEST = 0.65
"""The opacity of the largest probability, through which its number can be read."""
SMALL = 10

Place = tuple[int, int]


@dataclass(frozen=True)
class Grid:
    """Probabilities by (row, column), rows from the top; `chosen` are those that were decoded, and
    `parted` the rows above which a line parts groups."""

    rows: Sequence[str]
    columns: Sequence[str]
    values: Mapping[Place, float]
    chosen: AbstractSet[Place]
    parted: Sequence[int] = ()


def operations_map(snapshot: Snapshot) -> str:
    """The probability of each operation on each edge of the cell, the decoded ones framed."""
    rows = snapshot.probabilities[OPERATIONS_GROUP]
    places = edges(blocks_of(len(rows)))
    grid = Grid(
        rows=[f"block {block}, {state_name(state)}".replace("-", MINUS) for block, state in places],
        columns=[operation_name(name).replace(" ", "\n") for name in (*OPERATIONS, NONE)],
        values={(r, c): p for r, row in enumerate(rows) for c, p in enumerate(row)},
        chosen=_kept(places, _decoded(snapshot)),
        parted=[row for row, (block, state) in enumerate(places) if block and state == 0],
    )
    title = "Probability of each operation on each edge of the cell"
    return _draw("relaxed-edges", title, grid, WIDE)


def strides_map(snapshot: Snapshot) -> str:
    """The probability that a walk by beta passes each stride in each layer, the decoded path
    framed."""
    layers = layers_of(len(ways_of(snapshot.probabilities)))
    passed = node_probabilities(ways_of(snapshot.probabilities))
    grid = Grid(
        rows=[f"stride {stride}" for stride in STRIDES],
        columns=[f"layer {layer}".replace(" ", "\n") for layer in range(layers)],
        values={(v, n): passed[n, v] for n in range(layers) for v in levels_at(n)},
        chosen={(level, layer) for layer, level in enumerate(_decoded(snapshot).path)},
        parted=LEVELS[1:],
    )
    title = "Probability that a walk by beta passes each stride in each layer"
    return _draw("relaxed-layers", title, grid, NARROW)


def _decoded(snapshot: Snapshot) -> Decoded:
    return decoded(find_architecture(snapshot.architecture))


def _kept(places: Sequence[tuple[int, int]], found: Decoded) -> set[Place]:
    """The (row, column) of the operations that were decoded."""
    kept = [(n, edge) for n, b in enumerate(found.cell) for edge in (b.first, b.second)]
    return {(places.index((n, e.state)), OPERATIONS.index(e.operation)) for n, e in kept}


def _draw(name: str, title: str, grid: Grid, column: float) -> str:
    size = (LEFT + column * len(grid.columns) + MARGIN, TOP + ROW * len(grid.rows) + MARGIN)
    return draw(name, title, size, (LEFT, MARGIN, MARGIN, TOP), lambda axes: _paint(axes, grid))


def _paint(axes: Axes, grid: Grid) -> None:
    """A box for each probability, the darker the larger beside the largest of all."""
    largest = max(grid.values.values())
    axes.set_xlim(0, len(grid.columns))
    axes.set_ylim(len(grid.rows), 0)
    for (row, column), value in grid.values.items():
        _box(axes, row, column, facecolor=BLUE, alpha=DARKEST * value / largest, linewidth=0)
        middle = (column + 0.5, row + 0.5)
        axes.annotate(_percent(value), middle, ha="center", va="center", color=INK, size=SMALL)
    for row in grid.parted:
        axes.axhline(row, color=FAINT, linewidth=1)
    for row, column in grid.chosen:
        _box(axes, row, column, fill=False, edgecolor=INK, linewidth=1.6, clip_on=False)
    _name(axes, grid)


def _box(axes: Axes, row: int, column: int, **style: object) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((column, row), 1, 1, **style))  # type: ignore[arg-type]


def _name(axes: Axes, grid: Grid) -> None:
    axes.set_yticks([place + 0.5 for place in range(len(grid.rows))], grid.rows)
    axes.set_xticks([place + 0.5 for place in range(len(grid.columns))], grid.columns)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    axes.grid(False)


def _percent(value: float) -> str:
    """Whole per cent without a sign for them."""
    return f"{100 * value:.0f}"
