"""Maps of what a differentiable search leans to."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

from atrous.core.svg import INK
from atrous.report.relaxation_maps import operations_map, strides_map
from atrous.spaces import find_architecture
from atrous.spaces.auto_deeplab.space import decoded
from tests.report.searches import search

LAST = search()[-1]
FRAME = re.compile(rf"stroke: var\(--ink, {INK}\); stroke-width: 1.6")


def _texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter("text")]


def test_every_edge_and_operation_has_its_number() -> None:
    texts = _texts(operations_map(LAST))
    numbers = [int(text) for text in texts if text.isdigit()]
    assert sorted(numbers) == sorted(
        round(100 * p) for row in LAST.probabilities["operations"] for p in row
    )
    rows = [text for text in texts if re.fullmatch(r"block \d, (layer − [12]|block \d)", text)]
    assert len(set(rows)) == len(rows) == 20
    assert {"sep", "3×3", "max", "skip", "none"} <= set(texts)


def test_what_was_decoded_is_framed() -> None:
    found = decoded(find_architecture(LAST.architecture))
    assert len(FRAME.findall(operations_map(LAST))) == 2 * len(found.cell)
    assert len(FRAME.findall(strides_map(LAST))) == len(found.path)


def test_levels_out_of_reach_have_no_number() -> None:
    texts = _texts(strides_map(LAST))
    numbers = [text for text in texts if text.isdigit()]
    layers = 12
    assert len(numbers) == 45 + layers  # nodes, and the numbers of the layers
    assert [text for text in texts if text.startswith("stride")] == [
        "stride 4",
        "stride 8",
        "stride 16",
        "stride 32",
    ]


def test_frames_follow_the_recorded_architecture_not_the_likeliest() -> None:
    genotype = find_architecture(LAST.architecture).genotype
    for place, changed, same in (
        (-1, operations_map, strides_map),
        (11, strides_map, operations_map),
    ):
        other = list(genotype)
        other[place] = (other[place] + 1) % 3
        moment = replace(LAST, architecture="auto_deeplab:" + ".".join(map(str, other)))
        assert changed(moment) != changed(LAST)
        assert same(moment) == same(LAST)
