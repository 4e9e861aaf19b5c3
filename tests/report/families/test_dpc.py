"""Dense prediction cells as they are shown."""

from __future__ import annotations

from collections import Counter

from atrous.report.families import family_of
from atrous.report.families.dpc import observed_in
from atrous.spaces import find_architecture
from atrous.spaces.dpc.space import ASPP, TOP1


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
    family = family_of(top1.space)
    drawing = family.draw(top1)
    assert drawing is not None
    assert f'width="{drawing.width}"' in drawing.svg
    assert family.words(top1).startswith("0: 3x3 rate 1x6 of features; 1: 3x3 rate 18x15 of ")
    assert family.weights is not None
    assert family.weights(top1, (0.1, 0.2)) is None
    assert "<svg" in (family.weights(top1, (0.1,) * 5) or "")
