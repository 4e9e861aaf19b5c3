"""Spaces that have no description of their own."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from atrous.describe import describe
from atrous.describe.asked import Asked
from atrous.spaces import FAMILIES
from tests.spaces.toy import WALKS, walk

WALK = walk(3).architecture((1, 2, 1))


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "walk", WALKS)


def test_decisions_are_listed_and_the_cost_is_the_spaces() -> None:
    found = describe(WALK, Asked(channels=5, size=(3, 4), filters=2))
    expected = walk(3).cost(WALK.genotype, {16: (5, 3, 4)}, 2)
    content = found.to_json()
    assert content["cost"] == vars(expected)
    assert (content["channels"], content["size"], content["backbone"]) == (5, [3, 4], None)
    assert json.loads(json.dumps(content)) == content
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(found.render())
    text = capture.get()
    assert "walk-3:1.2.1" in text
    assert "decision 1: 2" in text
    assert f"{expected.parameters:,}" in text
    assert f"{expected.multiply_adds:,}" in text


def test_what_is_not_asked_for_is_as_for_dense_prediction_cells() -> None:
    content = describe(WALK, Asked()).to_json()
    assert (content["channels"], content["filters"], content["size"]) == (320, 256, [65, 129])
