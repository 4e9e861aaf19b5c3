"""A dense prediction cell as a drawing, after Chen et al. 2018, figure 5a, and in plain text.

Every branch has one input, so that a cell is a tree on the feature map. The feature map is at the
bottom, the concatenation of all branches at the top. Every branch has a column of its own, and the
branches that read it stand beside it, one row higher: no line crosses another or runs behind a box.
"""

from __future__ import annotations

from collections.abc import Iterator

from atrous.core.drawing import (
    ARROW,
    BAR,
    BLUE,
    BLUE_TINT,
    GREEN,
    GREEN_TINT,
    MUTED,
    ORANGE,
    ORANGE_TINT,
    ROUND,
    Shapes,
    arrow,
    bar,
    labelled,
    line,
    path,
    text,
)
from atrous.core.words import TIMES
from atrous.spaces.dpc.cell import (
    FEATURES,
    Branch,
    Cell,
    Convolution1x1,
    GridPooling,
    Operation,
    SeparableConvolution,
)

BOX_WIDTH, BOX_HEIGHT = 84, 42
COLUMN, ROW = 96, 72
MARGIN, GAP = 6, 24
LEAST = 3
PROJECTION = "1×1 projection"


def draw_cell(cell: Cell) -> str:
    """An SVG element with the cell; its width is `diagram_width(cell)` pixels."""
    return _Diagram(cell).svg()


def diagram_width(cell: Cell) -> int:
    """The width in pixels at which text has its natural size."""
    return 2 * MARGIN + COLUMN * max(LEAST, len(cell))


class _Diagram:
    """Where everything stands."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._columns = {number: place for place, number in enumerate(columns(cell))}
        self._depths = depths(cell)
        self._shift = MARGIN + COLUMN * max(0, LEAST - len(cell)) / 2
        self._width = diagram_width(cell)
        self._concat = MARGIN + BAR + GAP
        self._bottom = self._concat + BAR + GAP + ROW * max(self._depths)
        self._height = self._bottom + BAR + MARGIN

    def svg(self) -> str:
        """The drawing."""
        parts = [*self._lines(), *self._bars(), *map(self._box, range(len(self._cell)))]
        shapes = Shapes("".join(parts), self._width, self._height)
        return shapes.svg(f"Cell: {cell_words(self._cell)}")

    def _x(self, number: int) -> float:
        return self._shift + COLUMN * (self._columns[number] + 0.5)

    def _y(self, number: int) -> float:
        """The top of a branch's box."""
        return self._bottom - ROW * self._depths[number] + (ROW - BOX_HEIGHT) / 2

    def _lines(self) -> Iterator[str]:
        concat = self._concat + BAR
        for number in range(len(self._cell)):
            yield line(self._x(number), self._y(number), self._x(number), concat)
        for number, branch in enumerate(self._cell):
            x, bottom = self._x(number), self._y(number) + BOX_HEIGHT
            if branch.input == FEATURES:
                yield line(x, self._bottom, x, bottom)
            else:
                yield _bend(self._x(branch.input), self._y(branch.input), x, bottom)
        middle = self._width / 2
        yield line(middle, self._concat, middle, MARGIN + BAR)

    def _bars(self) -> Iterator[str]:
        inner = self._width - 2 * MARGIN
        yield bar(MARGIN, self._bottom, inner, "feature map")
        yield bar(MARGIN, self._concat, inner, "concatenation")
        yield bar(self._width / 2 - 60, MARGIN, 120, PROJECTION)

    def _box(self, number: int) -> str:
        operation = self._cell[number].operation
        tint, edge = operation_colours(operation)
        x, y, lines = self._x(number), self._y(number), operation_lines(operation)
        box = labelled(x, y, (BOX_WIDTH, BOX_HEIGHT), lines, tint, edge)
        return box + text(x - BOX_WIDTH / 2 + 9, y + 12, str(number), MUTED, size=9.5)


def operation_colours(operation: Operation) -> tuple[str, str]:
    """The tint and the colour of an operation's kind, the same in all drawings."""
    match operation:
        case SeparableConvolution():
            return BLUE_TINT, BLUE
        case GridPooling():
            return GREEN_TINT, GREEN
    return ORANGE_TINT, ORANGE


def _bend(x: float, y: float, to_x: float, to_y: float) -> str:
    """Up from a box, across, and up into the box above."""
    across, side = (y + to_y) / 2, 1 if to_x > x else -1
    turn = side * ROUND
    return path(
        f"M{x:g},{across + ROUND:g}Q{x:g},{across:g} {x + turn:g},{across:g}H{to_x - turn:g}"
        f"Q{to_x:g},{across:g} {to_x:g},{across - ROUND:g}V{to_y + ARROW:g}"
    ) + arrow(to_x, to_y)


def operation_lines(operation: Operation) -> tuple[str, ...]:
    """An operation in one or two short lines."""
    match operation:
        case Convolution1x1():
            return (f"1{TIMES}1",)
        case SeparableConvolution(rate=(vertical, horizontal)):
            return (f"3{TIMES}3", f"rate {vertical}{TIMES}{horizontal}")
        case GridPooling(grid=(rows, columns)):
            return ("pooling", f"grid {rows}{TIMES}{columns}")


def branch_words(branch: Branch) -> str:
    """A branch in a line: `3×3, rate 6×21, of branch 0`."""
    source = "the feature map" if branch.input == FEATURES else f"branch {branch.input}"
    return f"{', '.join(operation_lines(branch.operation))}, of {source}"


def cell_words(cell: Cell) -> str:
    """A cell in a line of plain ASCII."""
    return "; ".join(f"{number}: {branch}" for number, branch in enumerate(cell))


def depths(cell: Cell) -> list[int]:
    """For each branch, how many branches its output has passed, itself counted."""
    found: list[int] = []
    for branch in cell:
        found.append(1 + (found[branch.input] if branch.input != FEATURES else 0))
    return found


def columns(cell: Cell, root: int = FEATURES) -> Iterator[int]:
    """Branches from left to right: each amid those that read it, a lone reader to its right."""
    readers = [number for number, branch in enumerate(cell) if branch.input == root]
    half = len(readers) // 2 if root != FEATURES else 0
    for reader in readers[:half]:
        yield from columns(cell, reader)
    if root != FEATURES:
        yield root
    for reader in readers[half:]:
        yield from columns(cell, reader)


def tree(cell: Cell, root: str = "feature map") -> str:
    """The cell in plain text: under the feature map and under each branch, what reads it."""
    lines = [root, *_branches(cell, FEATURES, "")]
    return "\n".join([*lines, "all branches -> concatenation -> 1x1 projection"])


def _branches(cell: Cell, source: int, indent: str) -> list[str]:
    """The branches that read `source`, indented, each followed by those that read it."""
    lines = []
    readers = [number for number, branch in enumerate(cell) if branch.input == source]
    for number in readers:
        last = number == readers[-1]
        lines.append(
            f"{indent}{'└── ' if last else '├── '}branch {number}: {cell[number].operation}"
        )
        lines += _branches(cell, number, indent + ("    " if last else "│   "))
    return lines
