"""Architectures of spaces that have no drawing."""

from __future__ import annotations

import pytest

from atrous.report.families import family_of
from atrous.report.families.plain import PLAIN
from atrous.spaces import FAMILIES
from tests.spaces.toy import WALKS, walk

WALK = walk(3).architecture((1, 2, 1))


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "walk", WALKS)


def test_decisions_take_the_place_of_words_and_drawing() -> None:
    assert family_of("walk-3") is PLAIN
    assert PLAIN.words(WALK) == "decision 0: 1; decision 1: 2; decision 2: 1"
    assert PLAIN.observed(WALK) == [("Decision 0", "1"), ("Decision 1", "2"), ("Decision 2", "1")]
    assert PLAIN.draw(WALK) is None
    assert PLAIN.weights is None


def test_a_family_is_found_by_what_stands_before_the_dash() -> None:
    assert family_of("dpc-3") is family_of("dpc") is not PLAIN
    assert family_of("auto_deeplab-8x3") is family_of("auto_deeplab") is not PLAIN
