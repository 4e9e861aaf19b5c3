"""Dense prediction cells in words."""

from __future__ import annotations

from atrous.spaces.dpc.space import ASPP, TOP1
from atrous.spaces.dpc.view import branch_words


def test_branches() -> None:
    assert branch_words(TOP1[1]) == "3×3, rate 18×15, of branch 0"
    assert branch_words(ASPP[0]) == "1×1, of the feature map"
    assert branch_words(ASPP[4]) == "pooling, grid 1×1, of the feature map"
