"""A repeated cell as a drawing, after Liu et al. 2019, figures 1 and 3: a graph read upwards.

The two given states are at the bottom, the concatenation at the top. Every state and every block
has a column of its own, in which a wire goes up from it; a block that reads it has a lead from
that wire, which a dot marks. A block is two boxes, one for each thing it reads, whose results are
added. No wire runs behind a box, and where wires cross without a dot they do not meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from atrous.core.drawing import (
    ARROW,
    BAR,
    BLUE,
    BLUE_TINT,
    GREEN,
    GREEN_TINT,
    GREY_TINT,
    INK,
    MUTED,
    ORANGE,
    ORANGE_TINT,
    ROUND,
    Shapes,
    arrow,
    bar,
    css,
    line,
    path,
    rectangle,
    text,
)
from atrous.core.words import TIMES
from atrous.spaces.auto_deeplab.cell import (
    BEFORE,
    GIVEN,
    PREVIOUS,
    Block,
    Edge,
    Operation,
    RepeatedCell,
)

HALF, HEIGHT, BETWEEN = 64, 42, 14
GIVEN_WIDTH, SPACE, MARGIN = 72, 12, 8
LANE, GAP, DOT, PLUS = 12, 18, 2.6, 7
SHIFT = HALF / 2 + BETWEEN / 2


class _Graph:
    """Where everything stands, in pixels: columns from left to right, rows from the bottom."""

    def __init__(self, cell: RepeatedCell) -> None:
        self._cell = cell
        self._rows = [depth - 1 for depth in block_depths(cell)]
        self._columns = _columns(len(cell))
        self._width = self._columns[-1] + HALF + (BETWEEN + SPACE) / 2 + MARGIN
        rises = self._rises()
        self._ground = MARGIN + BAR + GAP + rises[-1]
        self._tops = [self._ground - rise for rise in rises]

    def shapes(self) -> Shapes:
        """The drawing."""
        parts = [*self._wires(), *self._leads(), *self._given(), *self._blocks(), self._concat()]
        return Shapes("".join(parts), self._width, self._ground + BAR + MARGIN)

    def _rises(self) -> list[float]:
        """How far above the given states the top of each row's boxes is."""
        rows = range(max(self._rows) + 1)
        steps = (2 * GAP + LANE * (len(self._lanes(row)) - 1) + HEIGHT for row in rows)
        return list(accumulate(steps))

    def _lanes(self, row: int) -> list[int]:
        """The states that blocks of a row read, each with a lane of its own below the row."""
        read = {s for n, at in enumerate(self._rows) if at == row for s in states(self._cell[n])}
        return sorted(read, key=lambda state: self._columns[state])

    def _lane(self, row: int, state: int) -> float:
        """The height of a lane, the leftmost state's the lowest."""
        lanes = self._lanes(row)
        return self._tops[row] + HEIGHT + GAP + LANE * (len(lanes) - 1 - lanes.index(state))

    def _start(self, state: int) -> float:
        """Where a state's wire begins."""
        if state < GIVEN:
            return self._ground
        return self._tops[self._rows[state - GIVEN]] + HEIGHT / 2 - PLUS

    def _wires(self) -> Iterator[str]:
        """Blocks are wired to the concatenation, given states as far up as they are read."""
        for number in range(len(self._cell)):
            x = self._columns[number + GIVEN]
            yield line(x, self._start(number + GIVEN), x, MARGIN + BAR)
        for state in (PREVIOUS, BEFORE):
            lanes = [self._lane(row, state) for row in set(self._rows) if state in self._lanes(row)]
            if lanes:
                yield path(f"M{self._columns[state]:g},{self._ground:g}V{min(lanes):g}")

    def _leads(self) -> Iterator[str]:
        for number, block in enumerate(self._cell):
            for edge, side in ((block.first, -1), (block.second, 1)):
                yield self._lead(number, edge.state, side)

    def _lead(self, number: int, state: int, side: int) -> str:
        """From a wire along the lane, and up into one half of a block."""
        row, x = self._rows[number], self._columns[state]
        to_x, to_y = self._columns[number + GIVEN] + side * SHIFT, self._tops[row] + HEIGHT
        y = self._lane(row, state)
        turn = ROUND if to_x > x else -ROUND
        lead = path(
            f"M{x:g},{y:g}H{to_x - turn:g}Q{to_x:g},{y:g} {to_x:g},{y - ROUND:g}V{to_y + ARROW:g}"
        )
        dot = f'<circle cx="{x:g}" cy="{y:g}" r="{DOT}" style="fill: {css(MUTED)}"/>'
        return lead + dot + arrow(to_x, to_y)

    def _given(self) -> Iterator[str]:
        for state, words in ((BEFORE, "layer − 2"), (PREVIOUS, "layer − 1")):
            yield bar(self._columns[state] - GIVEN_WIDTH / 2, self._ground, GIVEN_WIDTH, words)

    def _blocks(self) -> Iterator[str]:
        for number, block in enumerate(self._cell):
            x, y = self._columns[number + GIVEN], self._tops[self._rows[number]]
            yield _half(x - SHIFT, y, block.first) + _half(x + SHIFT, y, block.second)
            yield _plus(x, y + HEIGHT / 2)
            yield text(x, y + HEIGHT, str(number), MUTED, size=10)

    def _concat(self) -> str:
        left = self._columns[GIVEN] - HALF - BETWEEN / 2
        return bar(left, MARGIN, self._width - MARGIN - left, "concatenation")


def draw_repeated_cell(cell: RepeatedCell) -> Shapes:
    """The graph of a cell."""
    return _Graph(cell).shapes()


def block_depths(cell: RepeatedCell) -> list[int]:
    """For each block, the most blocks that lie on a way to its output, itself counted."""
    found: list[int] = []
    for block in cell:
        before = [found[s - GIVEN] for s in states(block) if s >= GIVEN]
        found.append(1 + max(before, default=0))
    return found


def states(block: Block) -> tuple[int, int]:
    """The two states that a block reads."""
    return block.first.state, block.second.state


def operation_lines(operation: Operation) -> tuple[str, ...]:
    """An operation in one or two short lines."""
    name, *kernel = str(operation).split()
    return (name, *(size.replace("x", TIMES) for size in kernel))


def operation_colours(operation: Operation) -> tuple[str, str]:
    """The tint and the colour of an operation's kind, the same in all drawings."""
    match operation:
        case Operation.SEPARABLE_3 | Operation.SEPARABLE_5:
            return BLUE_TINT, BLUE
        case Operation.ATROUS_3 | Operation.ATROUS_5:
            return ORANGE_TINT, ORANGE
        case Operation.AVERAGE | Operation.MAXIMUM:
            return GREEN_TINT, GREEN
        case Operation.SKIP:
            return GREY_TINT, MUTED


def _columns(blocks: int) -> list[float]:
    """The middle of every state's column: the two given ones, then the blocks."""
    before = MARGIN + GIVEN_WIDTH / 2
    previous = before + GIVEN_WIDTH + SPACE
    block = 2 * HALF + BETWEEN + SPACE
    first = previous + (GIVEN_WIDTH + block + SPACE) / 2
    return [previous, before, *(first + block * number for number in range(blocks))]


def _plus(x: float, y: float) -> str:
    """Where the results of a block's two halves are added."""
    ring = f'<circle cx="{x:g}" cy="{y:g}" r="{PLUS}" '
    return f'{ring}style="fill: none; stroke: {css(MUTED)}; stroke-width: 1.2"/>' + path(
        f"M{x - 3.5:g},{y:g}H{x + 3.5:g}M{x:g},{y - 3.5:g}V{y + 3.5:g}", INK
    )


def _half(x: float, y: float, edge: Edge) -> str:
    """One of a block's two boxes, its middle at x."""
    tint, colour = operation_colours(edge.operation)
    lines = operation_lines(edge.operation)
    first = y + HEIGHT / 2 + (4 if len(lines) == 1 else -2)
    texts = [text(x, first, lines[0], INK, "600")]
    texts += [text(x, first + 15, words, INK) for words in lines[1:]]
    return rectangle(x - HALF / 2, y, HALF, HEIGHT, tint, colour) + "".join(texts)
