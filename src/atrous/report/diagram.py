"""A dense prediction cell as a drawing, after Chen et al. 2018, figure 5a.

The feature map is at the bottom, the concatenation of all branches at the top. Every branch has a
column of its own, and the branches that read it stand beside it, one row higher: no line crosses
another or runs behind a box.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from atrous.models.branch import FEATURES, Cell, GridPooling, Operation, SeparableConvolution
from atrous.report.palette import (
    BLUE,
    BLUE_TINT,
    GREEN,
    GREEN_TINT,
    GREY_TINT,
    INK,
    MUTED,
    ORANGE,
    ORANGE_TINT,
    css,
)
from atrous.report.tree import columns, depths
from atrous.report.words import cell_words, operation_lines

BOX_WIDTH, BOX_HEIGHT = 84, 42
COLUMN, ROW = 96, 72
BAR, MARGIN, GAP = 26, 6, 24
ROUND, ARROW = 7, 4
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
        parts = [*self._lines(), *self._bars(), *map(self._box, range(len(self._cell)))]
        words = escape(f"Cell: {cell_words(self._cell)}")
        return (
            f'<svg role="img" viewBox="0 0 {self._width} {self._height}" width="{self._width}" '
            f'font-size="12" text-anchor="middle" aria-label="{words}"><title>{words}</title>'
            f"{''.join(parts)}</svg>"
        )

    def _x(self, number: int) -> float:
        return self._shift + COLUMN * (self._columns[number] + 0.5)

    def _y(self, number: int) -> float:
        """The top of a branch's box."""
        return self._bottom - ROW * self._depths[number] + (ROW - BOX_HEIGHT) / 2

    def _lines(self) -> Iterator[str]:
        concat = self._concat + BAR
        for number in range(len(self._cell)):
            yield _line(self._x(number), self._y(number), self._x(number), concat)
        for number, branch in enumerate(self._cell):
            x, bottom = self._x(number), self._y(number) + BOX_HEIGHT
            if branch.input == FEATURES:
                yield _line(x, self._bottom, x, bottom)
            else:
                yield _bend(self._x(branch.input), self._y(branch.input), x, bottom)
        middle = self._width / 2
        yield _line(middle, self._concat, middle, MARGIN + BAR)

    def _bars(self) -> Iterator[str]:
        inner = self._width - 2 * MARGIN
        yield _bar(MARGIN, self._bottom, inner, "feature map")
        yield _bar(MARGIN, self._concat, inner, "concatenation")
        yield _bar(self._width / 2 - 60, MARGIN, 120, PROJECTION)

    def _box(self, number: int) -> str:
        operation = self._cell[number].operation
        tint, edge = _colours(operation)
        x, y = self._x(number), self._y(number)
        lines = operation_lines(operation)
        first = y + BOX_HEIGHT / 2 + (4 if len(lines) == 1 else -3)
        texts = [_text(x, first, lines[0], INK, "600")]
        texts += [_text(x, first + 15, line, INK) for line in lines[1:]]
        left = x - BOX_WIDTH / 2
        tag = _text(left + 9, y + 12, str(number), MUTED, size=9.5)
        return _rectangle(left, y, BOX_WIDTH, BOX_HEIGHT, tint, edge) + "".join(texts) + tag


def _colours(operation: Operation) -> tuple[str, str]:
    match operation:
        case SeparableConvolution():
            return BLUE_TINT, BLUE
        case GridPooling():
            return GREEN_TINT, GREEN
    return ORANGE_TINT, ORANGE


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    """A line with an arrow at its end, which is above its start."""
    return _path(f"M{x:g},{y:g}V{to_y + ARROW:g}") + _arrow(to_x, to_y)


def _bend(x: float, y: float, to_x: float, to_y: float) -> str:
    """Up from a box, across, and up into the box above."""
    across, side = (y + to_y) / 2, 1 if to_x > x else -1
    turn = side * ROUND
    return _path(
        f"M{x:g},{across + ROUND:g}Q{x:g},{across:g} {x + turn:g},{across:g}H{to_x - turn:g}"
        f"Q{to_x:g},{across:g} {to_x:g},{across - ROUND:g}V{to_y + ARROW:g}"
    ) + _arrow(to_x, to_y)


def _path(shape: str) -> str:
    return f'<path d="{shape}" style="fill: none; stroke: {css(MUTED)}; stroke-width: 1.3"/>'


def _arrow(x: float, y: float) -> str:
    wing = f"{x - ARROW:g},{y + 1.7 * ARROW:g} {x + ARROW:g},{y + 1.7 * ARROW:g}"
    return f'<polygon points="{x:g},{y:g} {wing}" style="fill: {css(MUTED)}"/>'


def _bar(x: float, y: float, width: float, words: str) -> str:
    box = _rectangle(x, y, width, BAR, GREY_TINT, MUTED)
    return box + _text(x + width / 2, y + BAR / 2 + 4, words, INK)


def _rectangle(x: float, y: float, width: float, height: float, fill: str, edge: str) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="7" '
        f'style="fill: {css(fill)}; stroke: {css(edge)}; stroke-width: 1.2"/>'
    )


def _text(
    x: float, y: float, words: str, colour: str, weight: str = "400", size: float = 12
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" font-weight="{weight}" '
        f'style="fill: {css(colour)}">{escape(words)}</text>'
    )
