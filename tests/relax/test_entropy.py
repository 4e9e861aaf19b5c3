"""How undecided a search is."""

from __future__ import annotations

from math import log

import pytest

from atrous.relax.entropy import alpha_entropy, beta_entropy, pooling_share, skip_share
from atrous.spaces.auto_deeplab.cell import Block, Edge, Operation
from atrous.spaces.auto_deeplab.space import PUBLISHED_CELL
from atrous.spaces.auto_deeplab.trellis import arrows, exits

UNIFORM = [1 / len(exits(arrow.source)) for arrow in arrows(2)]


def test_equal_probabilities_are_most_undecided() -> None:
    found = alpha_entropy([[1 / 8] * 8] * 20)
    assert found.nats == pytest.approx(log(8))
    assert found.share == pytest.approx(1)


def test_a_decided_edge_has_none() -> None:
    found = alpha_entropy([[1 / 8] * 8, [0.0, 1.0, *[0.0] * 6]])
    assert found.nats == pytest.approx(log(8) / 2)
    assert found.share == pytest.approx(1 / 2)


def test_each_level_of_a_layer_is_measured_by_its_own_exits() -> None:
    # three levels leave: the stem and stride 4 with two exits, stride 8 with three
    found = beta_entropy(UNIFORM)
    assert found.nats == pytest.approx((2 * log(2) + log(3)) / 3)
    assert found.share == pytest.approx(1)
    decided = [1.0, 0.0, *UNIFORM[2:]]
    assert beta_entropy(decided).share == pytest.approx(2 / 3)


def test_skips_and_poolings_are_parts_of_all_edges() -> None:
    plain = Block(Edge(0, Operation.SKIP), Edge(1, Operation.MAXIMUM))
    mixed = Block(Edge(0, Operation.AVERAGE), Edge(2, Operation.SEPARABLE_3))
    assert skip_share((plain, mixed)) == 0.25
    assert pooling_share((plain, mixed)) == 0.5
    assert skip_share(PUBLISHED_CELL) == pooling_share(PUBLISHED_CELL) == 0
