"""What the recipes say, against what was published."""

from __future__ import annotations

from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.data.layouts import cityscapes, person_part, voc
from atrous.networks.backbones import outline
from atrous.recipes import RECIPES, find_recipe
from atrous.recipes.reproduction import require_stride
from atrous.recipes.result import counted_cost
from atrous.spaces import find_architecture
from atrous.spaces.blueprint import Blueprint

DOCS = Path(__file__).parents[2] / "docs"


def printed(name: str) -> list[tuple[str, str]]:
    return [(one.miou, one.split) for one in RECIPES[name].published]


def test_the_headline_numbers() -> None:
    assert printed("cityscapes-dpc") == [("80.31", "val"), ("82.7", "test"), ("82.66", "test")]
    assert printed("person-part-dpc") == [("71.34", "val")]
    assert printed("voc-dpc") == [("87.9", "test")]


def test_what_was_not_published_has_no_number() -> None:
    for name in ("cityscapes-aspp", "person-part-aspp", "voc-aspp"):
        assert printed(name) == []
        assert any("ASPP" in line for line in RECIPES[name].unpublished)


def test_table_1() -> None:
    rows = {
        name: (
            recipe.cost.parameters,
            recipe.cost.multiply_adds,
            *(one.miou for one in recipe.published),
        )
        for name, recipe in RECIPES.items()
        if recipe.cost
    }
    assert rows == {
        "table1-mobilenetv2-aspp": ("0.25M", "2.82B", "73.97"),
        "table1-mobilenetv2-dpc": ("0.36M", "3.00B", "75.38"),
        "table1-xception-aspp": ("1.59M", "18.12B", "80.25"),
        "table1-xception-dpc": ("0.81M", "6.84B", "80.85"),
    }


def test_counted_costs_beside_those_of_table_1() -> None:
    costs = {name: counted_cost(recipe) for name, recipe in RECIPES.items() if recipe.cost}
    parameters = {name: cost.parameters for name, cost in costs.items()}
    assert parameters == {
        "table1-mobilenetv2-aspp": 336_320,
        "table1-mobilenetv2-dpc": 356_160,
        "table1-xception-aspp": 2_152_448,
        "table1-xception-dpc": 814_080,
    }
    for name, cost in costs.items():
        known = RECIPES[name].cost
        assert known is not None
        billions = float(known.multiply_adds.removesuffix("B"))
        assert cost.multiply_adds / 1e9 == pytest.approx(billions, rel=0.005)
        assert (f"{cost.parameters / 1e6:.2f}M" == known.parameters) is (not known.note)


def test_the_protocol_of_the_paper() -> None:
    for name, recipe in RECIPES.items():
        city = recipe.need.layout == "Cityscapes"
        protocol = recipe.protocol
        assert protocol.crop == ((769, 769) if city else (513, 513)), name
        assert protocol.steps == (90_000 if city else 30_000), name
        assert (protocol.batch, protocol.rate, protocol.weight_decay) == (16, 0.01, 4e-5), name
        assert protocol.scales == (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0), name
        assert protocol.flip, name
        assert protocol.tune_norm, name
        assert protocol.score_every == protocol.steps, name
        assert (recipe.output_stride, recipe.filters) == (16, 256), name


def test_how_the_headline_numbers_were_asked() -> None:
    asked = {
        name: [(s.output_stride, s.scales[0], s.scales[-1], len(s.scales), s.flip)
               for s in RECIPES[name].scorings]
        for name in ("cityscapes-dpc", "voc-dpc", "table1-xception-dpc")
    }  # fmt: skip
    plain = (16, 1.0, 1.0, 1, False)
    assert asked == {
        "cityscapes-dpc": [plain, (16, 0.75, 2.0, 6, True)],
        "voc-dpc": [plain, (8, 0.5, 1.75, 6, True)],
        "table1-xception-dpc": [plain],
    }


@pytest.mark.parametrize("name", ["xception71.tf_in1k", "xception65.tf_in1k", "mobilenetv2_100"])
def test_backbones_give_what_is_asked_of_them(name: str) -> None:
    using = [recipe for recipe in RECIPES.values() if recipe.backbone == name]
    channels = outline(name, 16).channels
    assert using
    assert {r.cost.channels for r in using if r.cost} <= {channels[16]}
    assert 4 in channels


@pytest.mark.parametrize("name", [name for name in RECIPES if name.endswith("dpc")])
def test_what_is_trained_can_be_scored_at_each_stride(name: str) -> None:
    recipe = RECIPES[name]
    blueprint = Blueprint(
        find_architecture(recipe.architecture),
        *(recipe.backbone, recipe.output_stride, recipe.filters, recipe.decoder),
        *(("road", "car"), ((0, 0, 0), (9, 9, 9))),
    )
    for scoring in recipe.scorings:
        require_stride(blueprint, scoring.output_stride)


def test_downloads_are_those_of_the_docs_and_the_layouts() -> None:
    parts = (part for layout in (cityscapes, person_part, voc) for part in layout._PARTS)
    text = (DOCS / "datasets.md").read_text() + " ".join(part.source for part in parts)
    for recipe in RECIPES.values():
        for download in recipe.need.downloads:
            if "Hariharan" not in download.what:
                assert download.page in text
                assert download.what.partition(",")[0] in text


def test_the_table_of_the_docs() -> None:
    text = (DOCS / "recipes.md").read_text()
    rows = [
        f"| {r.name} | {r.need.layout} | {r.backbone} | "
        f"{', '.join(f'{p.miou} {p.split}' for p in r.published) or '-'} |"
        for r in RECIPES.values()
    ]
    assert [line for line in text.splitlines() if line in rows] == rows


def test_an_unknown_name() -> None:
    with pytest.raises(AtrousError, match="cityscapes-dpc, cityscapes-aspp"):
        find_recipe("cityscapes")
