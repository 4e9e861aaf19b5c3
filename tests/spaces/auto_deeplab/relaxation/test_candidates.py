"""Architectures next to the decoded one."""

from __future__ import annotations

from itertools import islice, product

import numpy as np
import pytest
from scipy.special import log_softmax

from atrous.spaces.auto_deeplab.cell import edges
from atrous.spaces.auto_deeplab.relaxation.decoding import (
    by_sum,
    decode,
    decode_candidates,
    log_outgoing,
)
from atrous.spaces.auto_deeplab.space import auto_deeplab, canonical
from atrous.spaces.auto_deeplab.space import decode as spelt_by
from atrous.spaces.auto_deeplab.trellis import arrows, exits

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def _learnt(seed: int, layers: int = 12, blocks: int = 5) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    alpha = generator.normal(0, 1.5, (len(edges(blocks)), 8))
    return alpha, generator.normal(0, 1.5, sum(1 for _ in arrows(layers)))


def _weight(genotype: tuple[int, ...], alpha: Array, beta: Array, layers: int) -> float:
    spelt = spelt_by(genotype, layers)
    ways = list(arrows(layers))
    gains = dict(
        zip(((a.layer, a.source, a.target) for a in ways), log_outgoing(beta), strict=True)
    )
    before = (0, *spelt.path)
    weight = sum(gains[layer, before[layer], level] for layer, level in enumerate(spelt.path))
    rows = dict(zip(edges(len(spelt.cell)), log_softmax(alpha, axis=-1), strict=True))
    for number, block in enumerate(spelt.cell):
        for edge in (block.first, block.second):
            weight += float(
                rows[number, edge.state][list(type(edge.operation)).index(edge.operation)]
            )
    return weight


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("neutral", [False, True])
def test_the_first_is_the_decoded_one(seed: int, neutral: bool) -> None:
    alpha, beta = _learnt(seed)
    assert decode_candidates(alpha, beta, 1, neutral) == [decode(alpha, beta, neutral)]
    assert decode_candidates(alpha, beta, 30, neutral)[0] == decode(alpha, beta, neutral)


def test_candidates_are_distinct_valid_and_ever_weaker() -> None:
    alpha, beta = _learnt(4)
    found = decode_candidates(alpha, beta, 200)
    assert len({canonical(genotype) for genotype in found}) == 200
    weights = [_weight(genotype, alpha, beta, 12) for genotype in found]
    assert weights == sorted(weights, reverse=True)
    for genotype in found:
        auto_deeplab().validate(genotype)


def test_they_are_the_best_of_all() -> None:
    alpha, beta = _learnt(5, layers=2, blocks=1)
    small = auto_deeplab(2, 1)
    weights = {genotype: _weight(genotype, alpha, beta, 2) for genotype in small.all()}
    best = sorted(weights, key=lambda genotype: -weights[genotype])
    assert decode_candidates(alpha, beta, 40) == best[:40]


def test_all_there_are_if_more_are_asked_for() -> None:
    alpha, beta = _learnt(6, layers=2, blocks=1)
    found = decode_candidates(alpha, beta, 10_000)
    assert sorted(found) == sorted(auto_deeplab(2, 1).all())
    assert len(found) == (len(exits(0)) + len(exits(1))) * 7 * 7


def test_cells_that_differ_by_the_order_of_blocks_count_once() -> None:
    # two blocks that read the same given states, with their operations in either order
    alpha = np.zeros((5, 8))
    alpha[4, :-1] = -9
    beta = np.zeros(7)
    found = decode_candidates(alpha, beta, 60)
    assert len({canonical(genotype, 2) for genotype in found}) == 60


def test_sums_fall_and_none_is_missed() -> None:
    terms = [[0.0, -1.0, -5.0], [0.0, -0.5], [2.0, 1.9, 0.0]]
    found = list(by_sum(terms))
    assert sorted(found) == sorted(product(range(3), range(2), range(3)))
    sums = [sum(row[place] for row, place in zip(terms, places, strict=True)) for places in found]
    assert sums == sorted(sums, reverse=True)


def test_sums_come_one_by_one() -> None:
    rows = [[-float(place) for place in range(1000)]] * 8  # 10^24 choices
    assert next(by_sum(rows)) == (0,) * 8
    assert len(list(islice(by_sum(rows), 50))) == 50
