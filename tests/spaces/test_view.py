"""Architectures of spaces that have no view of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from rich.console import Console

from atrous.cli.explore import rendered
from atrous.core.architecture import Cost, Genotype
from atrous.spaces import FAMILIES, view_of
from atrous.spaces.space import Shape
from atrous.spaces.view import Asked, plain_view
from tests.spaces.toy import WALKS, walk

WALK = walk(3).architecture((1, 2, 1))


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "walk", WALKS)


def test_decisions_are_listed_and_the_cost_is_the_spaces() -> None:
    found = view_of(WALK).describe(WALK, Asked(channels=5, size=(3, 4), filters=2))
    expected = walk(3).cost(WALK.genotype, {16: (5, 3, 4)}, 2)
    content = found.facts
    assert content["cost"] == vars(expected)
    assert (content["channels"], content["size"], content["backbone"]) == (5, [3, 4], None)
    assert json.loads(json.dumps(content)) == content
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(rendered(str(WALK), found))
    text = capture.get()
    assert "walk-3:1.2.1" in text
    assert "decision 1: 2" in text
    assert f"{expected.parameters:,}" in text
    assert f"{expected.multiply_adds:,}" in text


def test_what_is_not_asked_for_is_as_for_dense_prediction_cells() -> None:
    content = view_of(WALK).describe(WALK, Asked()).facts
    assert (content["channels"], content["filters"], content["size"]) == (320, 256, [65, 129])


def test_every_map_that_a_space_reads_is_counted_and_told() -> None:
    def cost(genotype: Genotype, maps: Mapping[int, Shape], filters: int) -> Cost:
        return Cost(sum(shape[0] for shape in maps.values()) * filters, len(genotype))

    space = replace(walk(3), reads=lambda strides: tuple(sorted(strides)[-2:]), cost=cost)
    found = plain_view(space).describe(WALK, Asked(channels=5, size=(3, 4), filters=2))
    assert found.facts["cost"]["parameters"] == (5 + 5) * 2
    assert found.facts["finer"] == {"8": [5, 5, 7]}
    assert found.title == "on 5 x 7 and 3 x 4 positions, 2 filters"
    found = plain_view(space).describe(WALK, Asked(backbone="mobilenetv2_100", size=(65, 129)))
    assert found.facts["finer"] == {"8": [32, 9, 17]}
    assert (found.facts["channels"], found.facts["size"]) == (320, [5, 9])


def test_decisions_take_the_place_of_words_and_drawing() -> None:
    view = view_of("walk-3")
    assert view.noun == "architecture"
    assert view.words(WALK) == "decision 0: 1; decision 1: 2; decision 2: 1"
    assert view.observed(WALK) == [("Decision 0", "1"), ("Decision 1", "2"), ("Decision 2", "1")]
    assert view.draw(WALK) is None
    assert view.branches is None
