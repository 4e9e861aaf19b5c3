"""Drawings of architectures whose parts join two maps each, after Liu et al. 2019, figures 1 and 3:
a graph read upwards.

Maps that are given are at the bottom, what joins the last ones at the top. Every given map and
every joint has a column of its own, in which a wire goes up from it; whatever reads it has a lead
from that wire, which a dot marks. A joint is two boxes, one for each thing it reads, whose results
are joined, or a box alone. No wire runs behind a box, and where wires cross without a dot they do
not meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
    labelled,
    line,
    path,
    text,
)

HALF, HEIGHT, BETWEEN = 64, 42, 14
GIVEN_WIDTH, SPACE, MARGIN = 72, 12, 8
LANE, GAP, DOT, PLUS = 12, 18, 2.6, 7
SHIFT = HALF / 2 + BETWEEN / 2

LEFT, RIGHT, BOTH = range(3)
PLAIN, WIDE, POOLED, NOTHING = (
    (BLUE_TINT, BLUE),
    (ORANGE_TINT, ORANGE),
    (GREEN_TINT, GREEN),
    (GREY_TINT, MUTED),
)
"""The tint and the colour of kinds of operations, the same in all drawings: plain convolutions,
atrous ones, pooling, and those that compute nothing."""
Colours = tuple[str, str]
Place = tuple[int, int]
"""A map: a given one (its number, `BOTH`), or of joint k what its `LEFT` or `RIGHT` box gives, or
`BOTH`; joints are counted after those given."""


@dataclass(frozen=True)
class Box:
    """An operation in one or two short lines, on a map."""

    source: Place
    lines: tuple[str, ...]
    colours: Colours


@dataclass(frozen=True)
class Joint:
    """Two boxes whose results are added, or concatenated; or one. A `note` is below them."""

    boxes: tuple[Box, ...]
    note: str = ""
    concatenated: bool = False


@dataclass(frozen=True)
class Diagram:
    """The names of given maps, from left to right, joints on these and earlier ones, and the maps
    that are joined in the end, by what is said."""

    given: tuple[str, ...]
    joints: tuple[Joint, ...]
    ends: tuple[Place, ...]
    end: str = "concatenation"

    def depths(self) -> list[int]:
        """For each joint, the most joints that lie on a way to it, itself counted."""
        found: list[int] = []
        for joint in self.joints:
            sources = (box.source[0] - len(self.given) for box in joint.boxes)
            found.append(1 + max((found[k] for k in sources if k >= 0), default=0))
        return found

    def shapes(self) -> Shapes:
        """The drawing."""
        return _Graph(self).shapes()


class _Graph:
    """Where everything stands, in pixels: columns from left to right, rows from the bottom."""

    def __init__(self, diagram: Diagram) -> None:
        self._diagram, self._given = diagram, len(diagram.given)
        self._rows = [depth - 1 for depth in diagram.depths()]
        self._columns = _columns(self._given, len(diagram.joints))
        self._width = self._columns[-1] + HALF + (BETWEEN + SPACE) / 2 + MARGIN
        rises = self._rises()
        self._ground = MARGIN + BAR + GAP + rises[-1]
        self._tops = [self._ground - rise for rise in rises]

    def shapes(self) -> Shapes:
        parts = [*self._wires(), *self._leads(), *self._bars(), *self._joints()]
        return Shapes("".join(parts), self._width, self._ground + BAR + MARGIN)

    def _rises(self) -> list[float]:
        """How far above the given maps the top of each row's boxes is."""
        rows = range(max(self._rows) + 1)
        steps = (2 * GAP + LANE * (len(self._lanes(row)) - 1) + HEIGHT for row in rows)
        return list(accumulate(steps))

    def _lanes(self, row: int) -> list[Place]:
        """The maps that boxes of a row read, each with a lane of its own below the row."""
        at = (joint for joint, r in zip(self._diagram.joints, self._rows, strict=True) if r == row)
        return sorted({box.source for joint in at for box in joint.boxes}, key=self._x)

    def _lane(self, row: int, place: Place) -> float:
        """The height of a lane, the leftmost map's the lowest."""
        lanes = self._lanes(row)
        return self._tops[row] + HEIGHT + GAP + LANE * (len(lanes) - 1 - lanes.index(place))

    def _x(self, place: Place) -> float:
        """Where a map's wire goes up."""
        number, side = place
        single = number < self._given or len(self._boxes(number)) == 1
        shift = 0 if side == BOTH or single else SHIFT
        return self._columns[number] + (shift if side == RIGHT else -shift)

    def _boxes(self, number: int) -> tuple[Box, ...]:
        return self._diagram.joints[number - self._given].boxes

    def _start(self, place: Place) -> float:
        """Where a map's wire begins."""
        number, side = place
        if number < self._given:
            return self._ground
        top = self._tops[self._rows[number - self._given]]
        joined = side == BOTH and len(self._boxes(number)) > 1
        return top + HEIGHT / 2 - PLUS if joined else top

    def _wires(self) -> Iterator[str]:
        """Ends are wired to the top, other maps as far up as they are read."""
        for place in self._diagram.ends:
            yield line(self._x(place), self._start(place), self._x(place), MARGIN + BAR)
        rows = sorted(set(self._rows))
        read = {place for row in rows for place in self._lanes(row)}
        for place in sorted(read - set(self._diagram.ends)):
            highest = min(self._lane(row, place) for row in rows if place in self._lanes(row))
            yield path(f"M{self._x(place):g},{self._start(place):g}V{highest:g}")

    def _leads(self) -> Iterator[str]:
        for number, joint in enumerate(self._diagram.joints):
            for side, box in enumerate(joint.boxes):
                yield self._lead(number, box.source, self._x((number + self._given, side)))

    def _lead(self, number: int, source: Place, to_x: float) -> str:
        """From a wire along the lane, and up into a box of a joint."""
        row, x = self._rows[number], self._x(source)
        to_y, y = self._tops[row] + HEIGHT, self._lane(row, source)
        turn = ROUND if to_x > x else -ROUND
        bend = f"H{to_x - turn:g}Q{to_x:g},{y:g} {to_x:g},{y - ROUND:g}" if to_x != x else ""
        lead = path(f"M{x:g},{y:g}{bend}V{to_y + ARROW:g}")
        dot = f'<circle cx="{x:g}" cy="{y:g}" r="{DOT}" style="fill: {css(MUTED)}"/>'
        return lead + dot + arrow(to_x, to_y)

    def _bars(self) -> Iterator[str]:
        """The given maps, and what joins the ends."""
        for number, words in enumerate(self._diagram.given):
            yield bar(self._columns[number] - GIVEN_WIDTH / 2, self._ground, GIVEN_WIDTH, words)
        left = self._columns[self._given] - HALF - BETWEEN / 2
        yield bar(left, MARGIN, self._width - MARGIN - left, self._diagram.end)

    def _joints(self) -> Iterator[str]:
        for number, joint in enumerate(self._diagram.joints):
            x, y = self._columns[number + self._given], self._tops[self._rows[number]]
            for side, box in enumerate(joint.boxes):
                middle = self._x((number + self._given, side))
                yield labelled(middle, y, (HALF, HEIGHT), box.lines, *box.colours)
            if len(joint.boxes) > 1:
                yield _sign(x, y + HEIGHT / 2, joint.concatenated)
                yield text(x, y + HEIGHT, str(number), MUTED, size=10)
                yield text(x, y + HEIGHT + 12, joint.note, MUTED, size=9.5) if joint.note else ""


def _columns(given: int, joints: int) -> list[float]:
    """The middle of every column: the given maps, then the joints."""
    first = MARGIN + GIVEN_WIDTH / 2
    maps = [first + (GIVEN_WIDTH + SPACE) * number for number in range(given)]
    width = 2 * HALF + BETWEEN + SPACE
    begin = maps[-1] + (GIVEN_WIDTH + width + SPACE) / 2
    return [*maps, *(begin + width * number for number in range(joints))]


def _sign(x: float, y: float, concatenated: bool) -> str:
    """Where the results of two boxes are added, or laid beside one another."""
    ring = f'<circle cx="{x:g}" cy="{y:g}" r="{PLUS}" '
    up = f"M{x:g},{y - 3.5:g}V{y + 3.5:g}"
    if concatenated:
        up = f"M{x - 1.5:g},{y - 3.5:g}V{y + 3.5:g}M{x + 1.5:g},{y - 3.5:g}V{y + 3.5:g}"
    else:
        up = f"M{x - 3.5:g},{y:g}H{x + 3.5:g}{up}"
    return f'{ring}style="fill: none; stroke: {css(MUTED)}; stroke-width: 1.2"/>' + path(up, INK)
