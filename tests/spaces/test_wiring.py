"""Drawings of architectures whose parts join two maps each."""

from __future__ import annotations

from itertools import combinations
from xml.etree import ElementTree

from atrous.spaces import find_architecture, view_of
from tests.cases import each

DRAWN = {
    # Two boxes a layer, two maps of the backbone, and the concatenation.
    "templates:arch0": 7 * 2 + 2 + 1,
    "templates:arch1": 7 * 2 + 2 + 1,
    # Three blocks on four maps, then a cell of an operation and three layers on its input.
    "fast_dense:arch0": (3 * 2 + 4 + 1) + (1 + 3 * 2 + 1 + 1),
    "fast_dense:arch2": (3 * 2 + 4 + 1) + (1 + 3 * 2 + 1 + 1),
}


@each(("name", "boxes"), DRAWN.items())
def test_boxes_are_apart_and_inside_the_drawing(name: str, boxes: int) -> None:
    architecture = find_architecture(name)
    drawing = view_of(architecture).draw(architecture)
    assert drawing
    svg = ElementTree.fromstring(drawing.svg)
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    assert drawing.width == round(width)
    assert len(list(svg.iter("rect"))) == boxes
    for group in list(svg.iter("g")) or [svg]:
        found = []
        for rectangle in group.iter("rect"):
            x, y, w, h = (float(rectangle.attrib[key]) for key in ("x", "y", "width", "height"))
            found.append((x, y, x + w, y + h))
            assert 0 <= x < x + w <= width
            assert 0 <= y < y + h <= height
        for one, other in combinations(found, 2):
            apart = one[2] <= other[0] or other[2] <= one[0]
            assert apart or one[3] <= other[1] or other[3] <= one[1]


def test_operations_rounds_and_joins_are_told() -> None:
    architecture = find_architecture("templates:arch0")
    drawing = view_of(architecture).draw(architecture)
    assert drawing
    said = [each.text for each in ElementTree.fromstring(drawing.svg).iter("text")]
    assert said.count("sep 5×5") == 6
    assert {"rate 6", "max", "3×3", "stride 2", "2 rounds", "stride 8", "concatenation"} <= {*said}
    architecture = find_architecture("fast_dense:arch1")
    drawing = view_of(architecture).draw(architecture)
    assert drawing
    assert drawing.svg.count(">cell<") == 6
