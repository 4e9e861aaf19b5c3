"""Dense prediction cells as they are shown and counted."""

from __future__ import annotations

import json
import re
from collections import Counter

from rich.console import Console

from atrous.cli.explore import rendered
from atrous.core.architecture import Architecture, Cost
from atrous.core.drawing import BLUE, GREEN, ORANGE
from atrous.spaces import find_architecture, view_of
from atrous.spaces.dpc.space import ASPP, TOP1
from atrous.spaces.dpc.view import ASPP_NOTE, VIEW, described, observed_in
from atrous.spaces.view import Asked, Description, FeatureMap

CITYSCAPES = (65, 129)
BACKBONE = Cost(1_811_712, 19_410_000_000)


def cell(name: str, channels: int = 320, backbone: Cost | None = None) -> Description:
    return described(find_architecture(name), FeatureMap(channels, CITYSCAPES, backbone), 256)


def printed(description: Description) -> str:
    console = Console(width=120, color_system=None)
    with console.capture() as capture:
        console.print(rendered(str(description.facts["architecture"]), description))
    return capture.get()


def test_json_holds_the_papers_numbers() -> None:
    content = cell("dpc:top1").facts
    assert content["architecture"] == str(find_architecture("dpc:top1"))
    assert (content["channels"], content["filters"], content["size"]) == (320, 256, [65, 129])
    assert content["branches_alone"] == {"parameters": 356_160, "multiply_adds": 2_986_401_600}
    assert content["backbone"] is None
    assert cell("dpc:top1", 2048).facts["branches_alone"]["parameters"] == 814_080


def test_the_parts_in_json_add_up_to_the_cell() -> None:
    content = cell("dpc:top1", backbone=BACKBONE).facts
    branches = content["branches"]
    for key in ("parameters", "multiply_adds"):
        assert sum(branch[key] for branch in branches) == content["branches_alone"][key]
    assert content["projection"]["parameters"] == 5 * 256 * 256
    assert content["cell"]["parameters"] == 356_160 + 327_680 + content["batch_norm_parameters"]
    assert content["backbone"] == {"parameters": 1_811_712, "multiply_adds": 19_410_000_000}


def test_json_says_what_each_branch_is_and_reads() -> None:
    content = cell("dpc:top1").facts
    assert [(b["branch"], b["operation"], b["input"]) for b in content["branches"]] == [
        (0, "3x3 rate 1x6", -1),
        (1, "3x3 rate 18x15", 0),
        (2, "3x3 rate 6x3", 1),
        (3, "3x3 rate 1x1", 0),
        (4, "3x3 rate 6x21", 0),
    ]
    assert json.loads(json.dumps(content)) == content


def test_the_drawing_shows_which_branch_reads_which() -> None:
    lines = printed(cell("dpc:top1")).splitlines()
    start = next(i for i, line in enumerate(lines) if "feature map, 320 channels" in line)
    drawing = lines[start + 1 : start + 6]
    depths = {}
    for line in drawing:
        match = re.search(r"branch (\d): (3x3 rate \d+x\d+)$", line.rstrip())
        assert match is not None
        depths[int(match[1]), match[2]] = match.start() // 4
    assert depths == {
        (0, "3x3 rate 1x6"): 1,
        (1, "3x3 rate 18x15"): 2,
        (2, "3x3 rate 6x3"): 3,
        (3, "3x3 rate 1x1"): 2,
        (4, "3x3 rate 6x21"): 2,
    }


def test_the_table_has_a_line_for_every_part() -> None:
    text = printed(cell("dpc:top1"))
    for branch in range(5):
        assert re.search(rf"branch {branch}: 3x3 rate \S+ of (features|branch \d) .* \d", text)
    assert "on 65 x 129 positions, 256 filters" in text
    assert re.search(r"branches alone .* 356,160 .* 2,986,401,600", text)
    assert re.search(r"projection .* 327,680 .* 2,747,596,800", text)
    assert re.search(r"batch norm .* 5,760", text)
    assert re.search(r"whole cell .* 689,600 .* 5,733,998,400", text)
    assert "backbone" not in text


def test_a_named_backbone_is_added() -> None:
    text = printed(cell("dpc:top1", backbone=BACKBONE))
    assert re.search(r"backbone .* 1,811,712 .* 19,410,000,000", text)
    assert re.search(r"backbone and cell .* 2,501,312 .* 25,143,998,400", text)


def test_the_note_on_aspp_stands_by_aspp_alone() -> None:
    def noted(description: Description) -> bool:
        return " ".join(ASPP_NOTE.split()) in " ".join(printed(description).split())

    assert noted(cell("dpc:aspp"))
    assert not noted(cell("dpc:top1"))
    assert not noted(cell("dpc-3:0.0.0.1.0.2"))


def test_the_note_is_right_about_aspp() -> None:
    for channels, count in ((320, "336,320"), (2048, "2,152,448")):
        branches = cell("dpc:aspp", channels).facts["branches"]
        assert f"{sum(branch['parameters'] for branch in branches[:4]):,}" == count
        assert count in ASPP_NOTE


def test_cells_of_any_number_of_branches_are_described() -> None:
    text = printed(described(Architecture("dpc-1", (0, 65)), FeatureMap(8, (3, 5)), 4))
    assert "dpc-1:0.65" in text
    assert "branch 0: pool 1x1" in text


def test_what_is_not_asked_for_is_that_of_the_paper() -> None:
    architecture = find_architecture("dpc:top1")
    assert VIEW.describe(architecture, Asked()) == cell("dpc:top1")
    asked = Asked(channels=2048, size=(3, 5), filters=4)
    assert VIEW.describe(architecture, asked) == described(
        architecture, FeatureMap(2048, (3, 5)), 4
    )


def test_choices_of_the_published_cells() -> None:
    top1 = Counter(observed_in(TOP1))
    assert top1[("Operation", "3×3")] == 5
    assert (top1[("Input", "feature map")], top1[("Input", "earlier branch")]) == (1, 4)
    assert top1[("Longest chain", "3 branches")] == 1
    assert top1[("Vertical rate of 3×3", "small (1–6)")] == 4
    assert top1[("Horizontal rate of 3×3", "large (15–21)")] == 2
    aspp = Counter(observed_in(ASPP))
    assert aspp[("Grid", "whole map (1×1)")] == 1
    assert aspp[("Vertical rate of 3×3", "medium (9–12)")] == 1
    assert aspp[("Longest chain", "1 branch")] == 1


def test_a_card_has_drawing_words_and_weights() -> None:
    top1 = find_architecture("dpc:top1")
    view = view_of(top1)
    drawing = view.draw(top1)
    assert drawing is not None
    assert f'width="{drawing.width}"' in drawing.svg
    assert view.words(top1).startswith("0: 3x3 rate 1x6 of features; 1: 3x3 rate 18x15 of ")
    assert view.branches is not None
    assert view.branches(top1)[1] == ("3×3, rate 18×15, of branch 0", BLUE)
    assert [colour for _, colour in view.branches(find_architecture("dpc:aspp"))] == [
        *(ORANGE, BLUE, BLUE, BLUE, GREEN)
    ]
