"""Networks of Auto-DeepLab as they are shown and counted."""

from __future__ import annotations

import json
from collections import Counter
from random import Random
from xml.etree import ElementTree

import pytest
from rich.console import Console

from atrous.cli.explore import rendered
from atrous.core.architecture import Cost
from atrous.core.errors import AtrousError
from atrous.spaces import find_architecture
from atrous.spaces.auto_deeplab.cell import Operation
from atrous.spaces.auto_deeplab.space import auto_deeplab
from atrous.spaces.auto_deeplab.view import ORDER, PAPER_NOTE, VIEW, observed
from atrous.spaces.blueprint import Blueprint, network_cost
from atrous.spaces.view import Asked, Description

SPACE = auto_deeplab()
PUBLISHED = find_architecture("auto_deeplab:published")
SMALL = find_architecture("auto_deeplab-2x1:1.2.0.3.6")


def described(filters: int | None = None) -> Description:
    return VIEW.describe(PUBLISHED, Asked(filters=filters))


def printed(found: Description, width: int = 120) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(rendered(str(found.facts["architecture"]), found))
    return capture.get()


@pytest.mark.parametrize(
    ("filters", "millions", "billions"),
    [(20, 10.147, 320.45), (32, 21.622, 439.92), (48, 44.425, 662.42)],
)
def test_the_published_networks_cost_what_is_said_of_them(
    filters: int, millions: float, billions: float
) -> None:
    whole = Cost(**described(filters).facts["network"])
    assert whole.parameters / 1e6 == pytest.approx(millions, abs=5e-4)
    assert whole.multiply_adds / 1e9 == pytest.approx(billions, abs=5e-3)
    assert f"{billions:.2f}B" in PAPER_NOTE


def test_the_note_takes_the_right_difference() -> None:
    differences = (333.25 - 320.45, 460.93 - 439.92, 695.03 - 662.42)
    for difference, explained, rest in zip(
        differences, (7.4, 12.4, 19.7), (5.4, 8.6, 12.9), strict=True
    ):
        assert difference == pytest.approx(explained + rest, abs=0.1)
        assert f"{explained}B" in PAPER_NOTE
        assert f"{rest}B" in PAPER_NOTE


@pytest.mark.parametrize("architecture", [PUBLISHED, SMALL])
def test_the_parts_add_up_to_the_network_that_is_built(architecture: object) -> None:
    blueprint = Blueprint(
        architecture=architecture,  # type: ignore[arg-type]
        backbone=None,
        output_stride=None,
        filters=4,
        decoder=True,
        classes=("class",) * 19,
        colours=((0, 0, 0),) * 19,
    )
    size = (70, 97)
    found = VIEW.describe(blueprint.architecture, Asked(size=size, filters=4)).facts
    assert Cost(**found["network"]) == network_cost(blueprint, size)
    parts = (found["trunk_and_aspp"], found["decoder"], found["class_scores"])
    for key in ("parameters", "multiply_adds"):
        assert sum(part[key] for part in parts) == found["network"][key]


def test_json_says_the_path_and_the_cell() -> None:
    found = described().facts
    assert found["strides"] == [4, 4, 4, 8, 16, 8, 16, 16, 32, 32, 16, 8]
    assert found["blocks"][2] == {
        "block": 2,
        "first": {"operation": "sep 3x3", "input": "layer - 2"},
        "second": {"operation": "sep 3x3", "input": "block 1"},
    }
    assert (found["filters"], found["size"], found["classes"]) == (20, [1025, 2049], 19)
    assert json.loads(json.dumps(found)) == found


def test_the_terminal_shows_path_cell_and_cost() -> None:
    text = printed(described())
    assert "strides 4 4 4 8 16 8 16 16 32 32 16 8" in text
    assert "stride  4 ●───●───●───●" in text
    assert "block 4: sep 5x5 of block 1 + atrous 5x5 of block 3" in text
    assert "on an image of 1025 x 2049, F = 20, 19 classes" in text
    for part in ("trunk and ASPP", "decoder", "class scores", "whole network"):
        assert part in text
    assert f"{described().facts['network']['multiply_adds']:,}" in text


def test_a_narrow_terminal_cuts_the_trellis_and_does_not_wrap_it() -> None:
    start = "stride  4 ●"
    wide, narrow = (printed(described(), width).splitlines() for width in (120, 40))
    whole, cut = (next(line for line in t if line.startswith(start)) for t in (wide, narrow))
    assert cut == whole[:40]
    assert narrow[narrow.index(cut) + 2].startswith("stride  8")


def test_the_papers_numbers_stand_by_the_papers_network_alone() -> None:
    words = " ".join(PAPER_NOTE.split())
    assert words in " ".join(printed(described()).split())
    other = VIEW.describe(SMALL, Asked(size=(33, 33), filters=1))
    assert "Liu" not in printed(other)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        (Asked(backbone="mobilenetv2_100"), "--backbone"),
        (Asked(channels=9, output_stride=8), "--channels and no --output-stride"),
    ],
)
def test_what_only_a_feature_map_has_is_refused(asked: Asked, named: str) -> None:
    with pytest.raises(AtrousError, match=rf"Expected no {named}: auto_deeplab is a space of"):
        VIEW.describe(PUBLISHED, asked)


def test_the_drawing_holds_the_trellis_and_the_cell() -> None:
    drawing = VIEW.draw(PUBLISHED)
    assert drawing is not None
    image = ElementTree.fromstring(drawing.svg)
    assert len(list(image.iter("line"))) == 105
    assert len(list(image.iter("rect"))) == 13
    assert f"0 0 {drawing.width} " in image.attrib["viewBox"]


def test_the_words_are_the_strides_and_the_blocks() -> None:
    words = VIEW.words(PUBLISHED)
    assert words.startswith("strides 4 4 4 8 16 8 16 16 32 32 16 8; 0: sep 3x3 of layer - 1 + ")
    assert words.endswith("; 4: sep 5x5 of block 1 + atrous 5x5 of block 3")
    assert words.isascii()


def test_choices_of_the_published_network() -> None:
    found = Counter(observed(PUBLISHED))
    strides = [found["Stride of a layer", f"stride {s}"] for s in (4, 8, 16, 32)]
    assert strides == [3, 3, 4, 2]
    assert found["Stride of the last layer", "stride 8"] == 1
    assert found["Operation", "sep 3×3"] == 4
    assert found["Operation", "atrous 5×5"] == 2
    assert found["Input of a block", "layer − 2"] == 3
    assert found["Input of a block", "earlier block"] == 5
    assert found["Longest chain", "4 blocks"] == 1


def test_every_operation_has_its_place() -> None:
    assert len(ORDER["Operation"]) == len(Operation)
    for seed in range(20):
        architecture = SPACE.architecture(SPACE.sample(Random(seed)))
        for group, name in observed(architecture):
            assert name in ORDER[group] or group == "Longest chain"


def test_cells_of_other_families_are_refused() -> None:
    with pytest.raises(AtrousError, match="Expected a network such as auto_deeplab:published"):
        VIEW.draw(find_architecture("dpc:top1"))
