"""Walks through the trellis."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atrous.spaces.auto_deeplab.relaxation.decoding import (
    arrow_probabilities,
    layers_with,
    node_probabilities,
    outgoing,
    rows,
)
from atrous.spaces.auto_deeplab.trellis import Arrow, arrows, exits


def _beta(layers: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.random.default_rng(layers).normal(0, 2, sum(1 for _ in arrows(layers)))


def test_twelve_layers_have_105_arrows() -> None:
    assert layers_with(105) == 12
    assert [layers_with(count) for count in (2, 7, 15, 25)] == [1, 2, 3, 4]


@pytest.mark.parametrize("count", [0, 1, 3, 104, 106])
def test_a_row_of_betas_that_fits_no_trellis_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"got {count}"):
        layers_with(count)


def test_probabilities_that_leave_a_level_sum_to_one() -> None:
    # a public implementation takes the softmax of stride 32 over one element, which learns nothing
    for row in rows(outgoing(_beta(6))):
        assert len(row) in (2, 3)
        assert sum(row) == pytest.approx(1)


def test_each_level_has_its_own_betas() -> None:
    # a public implementation reads the beta of `down` for `same` in layer 2
    beta = _beta(2)
    places = {arrow: place for place, arrow in enumerate(arrows(2))}
    chosen = Arrow(1, 1, 1)
    beta[places[chosen]] = 50
    found = dict(zip(arrows(2), outgoing(beta), strict=True))
    assert found[chosen] == pytest.approx(1)
    assert found[Arrow(1, 1, 2)] == pytest.approx(0)
    assert found[Arrow(1, 0, 0)] + found[Arrow(1, 0, 1)] == pytest.approx(1)


def test_a_walk_is_somewhere_in_every_layer() -> None:
    found = node_probabilities(outgoing(_beta(6)))
    for layer in range(6):
        assert sum(p for (at, _), p in found.items() if at == layer) == pytest.approx(1)


def test_probabilities_are_those_of_all_paths_summed() -> None:
    beta = _beta(4)
    ways = dict(zip(arrows(4), outgoing(beta), strict=True))
    taken = dict.fromkeys(ways, 0.0)

    def follow(layer: int, level: int, probability: float, path: tuple[Arrow, ...]) -> None:
        if layer == 4:
            for arrow in path:
                taken[arrow] += probability
            return
        for target in exits(level):
            arrow = Arrow(layer, level, target)
            follow(layer + 1, target, probability * ways[arrow], (*path, arrow))

    follow(0, 0, 1.0, ())
    found = arrow_probabilities(outgoing(beta))
    assert list(found) == list(arrows(4))
    assert found == pytest.approx(taken)


def test_large_betas_do_not_overflow() -> None:
    assert outgoing([1000.0, -1000.0]) == [1.0, 0.0]


def test_gradients_flow_through_tensors() -> None:
    shares = torch.tensor(outgoing(_beta(3)), dtype=torch.float64, requires_grad=True)
    found = arrow_probabilities(shares.unbind())
    (gradient,) = torch.autograd.grad(found[Arrow(2, 1, 0)], shares)
    at = {arrow: place for place, arrow in enumerate(arrows(3))}
    # to stride 8 in two layers, by way of stride 4 or of stride 8
    before = shares[at[Arrow(0, 0, 0)]] * shares[at[Arrow(1, 0, 1)]]
    before = before + shares[at[Arrow(0, 0, 1)]] * shares[at[Arrow(1, 1, 1)]]
    assert gradient[at[Arrow(2, 1, 0)]] == pytest.approx(before.item())
    assert gradient[at[Arrow(2, 0, 0)]] == 0
