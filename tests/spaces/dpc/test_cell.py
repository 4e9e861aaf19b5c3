from __future__ import annotations

import pytest

from atrous.spaces.dpc.cell import (
    FEATURES,
    Branch,
    Convolution1x1,
    GridPooling,
    Operation,
    SeparableConvolution,
)


@pytest.mark.parametrize(
    ("operation", "source", "words"),
    [
        (Convolution1x1(), FEATURES, "1x1 of features"),
        (SeparableConvolution((1, 21)), 0, "3x3 rate 1x21 of branch 0"),
        (GridPooling((8, 2)), 3, "pool 8x2 of branch 3"),
    ],
)
def test_a_branch_in_words(operation: Operation, source: int, words: str) -> None:
    assert str(Branch(operation, source)) == words
