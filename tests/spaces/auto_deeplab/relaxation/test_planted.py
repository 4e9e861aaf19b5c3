"""Every gate finds what is known to be right; `benchmarks.planted` asks more seeds, and twice the
steps where a majority counts."""

from __future__ import annotations

import pytest

from atrous.relax.gates import GATES
from atrous.spaces.auto_deeplab.cell import Operation
from tests.spaces.auto_deeplab.relaxation.planted import operations_of, path_of, searched


@pytest.mark.slow
@pytest.mark.parametrize(("gate", "seed"), [*((gate, 0) for gate in GATES), ("gdas", 1)])
def test_single_squares_are_told_apart_at_full_resolution(gate: str, seed: int) -> None:
    state = searched(gate, "fine", seed)
    assert path_of(state) == (0, 0)
    assert Operation.SKIP in operations_of(state)


@pytest.mark.slow
@pytest.mark.parametrize("gate", GATES)
def test_a_majority_is_counted_further_down(gate: str) -> None:
    state = searched(gate, "coarse", 0, share=0.5)
    assert path_of(state)[-1] > 0
    assert Operation.SKIP not in operations_of(state)
