"""Cells as drawings."""

from __future__ import annotations

import re
from itertools import combinations
from random import Random
from xml.etree import ElementTree

from atrous.spaces.dpc.cell import FEATURES, Branch, Cell, Convolution1x1
from atrous.spaces.dpc.drawing import branch_words, columns, depths, diagram_width, draw_cell
from atrous.spaces.dpc.space import ASPP, TOP1, decode, dpc
from tests.cases import each

CHAIN: Cell = tuple(Branch(Convolution1x1(), number - 1) for number in range(5))
CELLS = [
    ASPP,
    TOP1,
    CHAIN,
    *(decode(dpc(b).sample(Random(seed))) for b in (1, 2, 5, 9) for seed in range(6)),
]

Box = tuple[float, float, float, float]
Run = tuple[float, float, float]


@each("cell", CELLS)
def test_nothing_overlaps_or_leaves_the_drawing(cell: Cell) -> None:
    drawing = ElementTree.fromstring(draw_cell(cell))
    _, _, width, height = map(float, drawing.attrib["viewBox"].split())
    boxes = [_box(rectangle) for rectangle in drawing.iter("rect")]
    assert len(boxes) == len(cell) + 3
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
    for one, other in combinations(boxes, 2):
        assert not _overlap(one, other)


@each("cell", CELLS)
def test_no_line_runs_behind_a_box(cell: Cell) -> None:
    drawing = ElementTree.fromstring(draw_cell(cell))
    boxes = [_box(rectangle) for rectangle in drawing.iter("rect")]
    lines = [line for path in drawing.iter("path") for line in _uprights(path.attrib["d"])]
    assert len(lines) >= 2 * len(cell)
    for x, start, end in lines:
        for left, top, right, bottom in boxes:
            assert not (left < x < right and end < bottom - 1e-6 and start > top + 1e-6)


def test_words_of_every_branch_are_drawn() -> None:
    texts = [text.text for text in ElementTree.fromstring(draw_cell(TOP1)).iter("text")]
    for words in ("rate 1×6", "rate 18×15", "rate 6×3", "rate 1×1", "rate 6×21"):
        assert texts.count(words) == 1
    assert texts.count("3×3") == 5
    assert {"feature map", "concatenation"} <= set(texts)


def test_branches_in_words() -> None:
    assert branch_words(TOP1[1]) == "3×3, rate 18×15, of branch 0"
    assert branch_words(ASPP[0]) == "1×1, of the feature map"
    assert branch_words(ASPP[4]) == "pooling, grid 1×1, of the feature map"


def test_every_branch_has_a_column() -> None:
    assert list(columns(CHAIN)) == [0, 1, 2, 3, 4]
    assert list(columns(TOP1)) == [1, 2, 0, 3, 4]
    assert sorted(columns(ASPP)) == [0, 1, 2, 3, 4]


def test_depths() -> None:
    assert depths(TOP1) == [1, 2, 3, 2, 2]
    assert depths(CHAIN) == [1, 2, 3, 4, 5]
    assert {branch.input for branch in ASPP} == {FEATURES}
    assert depths(ASPP) == [1] * 5


def test_small_cells_leave_room_for_the_bars() -> None:
    assert diagram_width(CHAIN[:1]) == diagram_width(CHAIN[:3]) < diagram_width(CHAIN[:4])


def _box(rectangle: ElementTree.Element) -> Box:
    x, y, width, height = (float(rectangle.attrib[key]) for key in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def _overlap(one: Box, other: Box) -> bool:
    apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    return not apart


def _uprights(shape: str) -> list[Run]:
    """The upright parts of a path, as (x, lower end, upper end)."""
    numbers = r"(-?[\d.]+),(-?[\d.]+)V(-?[\d.]+)"
    return [(float(x), float(y), float(end)) for x, y, end in re.findall(numbers, shape)]
