"""Repeated cells as drawings."""

from __future__ import annotations

import re
from itertools import combinations
from random import Random
from xml.etree import ElementTree

from atrous.spaces.auto_deeplab.cell import Block, Edge, Operation, RepeatedCell
from atrous.spaces.auto_deeplab.space import PUBLISHED_CELL, auto_deeplab, decode
from atrous.spaces.auto_deeplab.view import operation_lines, wiring
from tests.cases import each

GROUND: RepeatedCell = (Block(Edge(0, Operation.SKIP), Edge(1, Operation.AVERAGE)),) * 3
CELLS = [
    PUBLISHED_CELL,
    GROUND,
    *(
        decode(auto_deeplab(2, blocks).sample(Random(seed)), 2).cell
        for blocks in (1, 2, 5, 7)
        for seed in range(5)
    ),
]
Box = tuple[float, float, float, float]
NUMBER = r"(-?[\d.]+)"


def drawn(cell: RepeatedCell) -> ElementTree.Element:
    return ElementTree.fromstring(wiring(cell).shapes().svg("a cell"))


def boxes_of(drawing: ElementTree.Element) -> list[Box]:
    found = []
    for rectangle in drawing.iter("rect"):
        x, y, w, h = (float(rectangle.attrib[key]) for key in ("x", "y", "width", "height"))
        found.append((x, y, x + w, y + h))
    return found


def uprights(drawing: ElementTree.Element) -> list[tuple[float, float, float]]:
    """The upright parts of lines, as (x, lower end, upper end)."""
    shapes = (path.attrib["d"] for path in drawing.iter("path"))
    parts = (re.findall(rf"{NUMBER},{NUMBER}V{NUMBER}", shape) for shape in shapes)
    return [(float(x), float(y), float(end)) for found in parts for x, y, end in found]


def lanes(drawing: ElementTree.Element) -> list[tuple[float, float, float]]:
    """The level parts of leads, as (y, left end, right end)."""
    shapes = (path.attrib["d"] for path in drawing.iter("path"))
    parts = (re.findall(rf"M{NUMBER},{NUMBER}H{NUMBER}Q", shape) for shape in shapes)
    found = [(float(y), float(x), float(end)) for lead in parts for x, y, end in lead]
    return [(y, min(x, end), max(x, end)) for y, x, end in found]


@each("cell", CELLS)
def test_nothing_overlaps_or_leaves_the_drawing(cell: RepeatedCell) -> None:
    drawing = drawn(cell)
    _, _, width, height = map(float, drawing.attrib["viewBox"].split())
    boxes = boxes_of(drawing)
    assert len(boxes) == 2 * len(cell) + 3
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
    for one, other in combinations(boxes, 2):
        apart = one[2] <= other[0] or other[2] <= one[0]
        assert apart or one[3] <= other[1] or other[3] <= one[1]


@each("cell", CELLS)
def test_no_wire_runs_behind_a_box(cell: RepeatedCell) -> None:
    drawing = drawn(cell)
    boxes = boxes_of(drawing)
    assert len(uprights(drawing)) >= 3 * len(cell)
    for x, start, end in uprights(drawing):
        for left, top, right, bottom in boxes:
            inside = left < x < right and min(start, end) < bottom - 1e-6
            assert not (inside and max(start, end) > top + 1e-6)
    assert len(lanes(drawing)) == 2 * len(cell)
    for y, start, end in lanes(drawing):
        for left, top, right, bottom in boxes:
            assert not (top < y < bottom and start < right and end > left)


@each("cell", CELLS)
def test_every_lead_begins_at_the_wire_of_what_it_reads(cell: RepeatedCell) -> None:
    drawing = drawn(cell)
    wires = columns(drawing)
    given = sorted(wires)[:2]
    states = [given[1], given[0], *sorted(wires)[2:]]
    leads = [p.attrib["d"] for p in drawing.iter("path") if "Q" in p.attrib["d"]]
    read = [edge.state for block in cell for edge in (block.first, block.second)]
    starts = [float(re.match(rf"M{NUMBER}", lead)[1]) for lead in leads]  # type: ignore[index]
    assert starts == [states[state] for state in read]


def columns(drawing: ElementTree.Element) -> list[float]:
    """Where states stand: the middles of the given ones, and of the blocks."""
    named = [t for t in drawing.iter("text") if re.fullmatch(r"layer − \d|\d", t.text or "")]
    return [float(text.attrib["x"]) for text in named]


@each("cell", CELLS)
def test_leads_of_two_states_never_share_a_lane(cell: RepeatedCell) -> None:
    drawing = drawn(cell)
    wires = {round(x, 3) for x in columns(drawing)}
    sources: dict[float, set[float]] = {}
    for y, left, right in lanes(drawing):
        source = left if round(left, 3) in wires else right
        sources.setdefault(y, set()).add(source)
    assert all(len(found) == 1 for found in sources.values())


def test_words_of_every_operation_are_drawn() -> None:
    texts = [text.text for text in drawn(PUBLISHED_CELL).iter("text")]
    assert texts.count("sep") == 7
    assert texts.count("atrous") == 3
    assert texts.count("3×3") == 5
    assert {"layer − 1", "layer − 2", "concatenation"} <= set(texts)
    assert operation_lines(Operation.MAXIMUM) == ("max", "3×3")
    assert operation_lines(Operation.SKIP) == ("skip",)


def test_depths() -> None:
    assert wiring(PUBLISHED_CELL).depths() == [1, 1, 2, 3, 4]
    assert wiring(GROUND).depths() == [1, 1, 1]
