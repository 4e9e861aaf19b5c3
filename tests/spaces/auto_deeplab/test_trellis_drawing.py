"""The trellis as a drawing."""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree

import pytest

from atrous.core.drawing import BLUE, MUTED, css
from atrous.spaces.auto_deeplab.space import PUBLISHED_PATH
from atrous.spaces.auto_deeplab.trellis import Arrow, Path, arrows, draw_trellis

UNIFORM = dict.fromkeys(arrows(12), 0.5)


def drawn(layers: int, path: Path | None = None) -> ElementTree.Element:
    return ElementTree.fromstring(draw_trellis(layers, None, path))


def styles(drawing: ElementTree.Element, tag: str) -> Counter[str]:
    """How many elements of a kind are drawn in blue and in grey."""
    found = (element.attrib["style"] for element in drawing.iter(tag) if "style" in element.attrib)
    return Counter("blue" if css(BLUE) in s else "grey" if css(MUTED) in s else "" for s in found)


def ends(drawing: ElementTree.Element, width: float) -> int:
    """How many lines have this width."""
    lines = (line.attrib["style"] for line in drawing.iter("line"))
    return sum(style == f"stroke-width: {width:.2g}" for style in lines)


def test_every_arrow_and_every_node_of_the_trellis_is_drawn() -> None:
    drawing = drawn(12)
    assert len(list(drawing.iter("line"))) == 105
    assert len(list(drawing.iter("circle"))) == 45 + 1
    assert styles(drawing, "g") == {"grey": 105}


def test_the_path_is_bold_and_the_rest_grey() -> None:
    drawing = drawn(12, PUBLISHED_PATH)
    assert styles(drawing, "g") == {"blue": 12, "grey": 93}
    assert styles(drawing, "circle") == {"blue": 13, "grey": 46 - 13}
    assert ends(drawing, 3.0) == 12
    assert drawing.attrib["aria-label"].endswith("4, 4, 4, 8, 16, 8, 16, 16, 32, 32, 16, 8")


@pytest.mark.parametrize("path", [(0, 1, 0), (1, 2, 3), (1, 1, 1)])
def test_the_bold_arrows_join_the_nodes_of_the_path(path: Path) -> None:
    drawing = drawn(3, path)
    heights = sorted({float(c.attrib["cy"]) for c in drawing.iter("circle")})
    blue = [g for g in drawing.iter("g") if css(BLUE) in g.attrib["style"]]
    tips = [float(g[1].attrib["points"].split()[0].split(",")[1]) for g in blue]
    assert len(tips) == 3
    for tip, level, before in zip(tips, path, (0, *path), strict=False):
        expected = heights[level]
        assert abs(tip - expected) < 9.1
        assert (tip < expected) == (level > before) or level == before


def test_probabilities_make_arrows_wide_and_are_told() -> None:
    likely = Arrow(4, 2, 1)
    shares = UNIFORM | {likely: 1.0, Arrow(4, 2, 2): 0.0, Arrow(4, 2, 3): 0.0}
    drawing = ElementTree.fromstring(draw_trellis(12, shares, None))
    told = {g.find("title").text: g for g in drawing.iter("g")}  # type: ignore[union-attr]
    assert len(told) == 105
    sure = told["layer 4, stride 16 to stride 8: 1.000"]
    never = told["layer 4, stride 16 to stride 32: 0.000"]
    even = told["layer 0, stride 4 to stride 4: 0.500"]
    widths = [float(g[1].attrib["style"].split()[-1]) for g in (never, even, sure)]
    opacities = [float(g.attrib["style"].split()[-1]) for g in (never, even, sure)]
    assert widths == sorted(set(widths))
    assert opacities == sorted(set(opacities))


def test_a_path_is_seen_where_it_is_improbable() -> None:
    drawing = ElementTree.fromstring(draw_trellis(12, dict.fromkeys(UNIFORM, 0.0), PUBLISHED_PATH))
    assert styles(drawing, "g") == {"blue": 12, "grey": 93}
    assert ends(drawing, 1.5) == 12


def test_a_missing_probability_is_no_probability() -> None:
    with pytest.raises(KeyError):
        draw_trellis(12, {}, None)


@pytest.mark.parametrize("layers", [2, 7, 12, 20])
def test_everything_is_inside(layers: int) -> None:
    drawing = drawn(layers)
    _, _, width, height = map(float, drawing.attrib["viewBox"].split())
    for circle in drawing.iter("circle"):
        x, y, r = (float(circle.attrib[key]) for key in ("cx", "cy", "r"))
        assert r < x < width - r
        assert r < y < height - r
    for text in drawing.iter("text"):
        assert 0 < float(text.attrib["y"]) < height
