"""Decoding of alpha and beta."""

from __future__ import annotations

from itertools import pairwise
from math import log

import numpy as np
import pytest
from numpy.typing import NDArray

from atrous.spaces.auto_deeplab.cell import (
    NONE,
    OPERATIONS,
    Block,
    Edge,
    Operation,
    RepeatedCell,
    edges,
)
from atrous.spaces.auto_deeplab.relaxation.decoding import (
    POOLING,
    best_paths,
    decode,
    decode_cell,
    decode_path,
    share_of,
)
from atrous.spaces.auto_deeplab.space import (
    PUBLISHED_CELL,
    PUBLISHED_PATH,
    auto_deeplab,
)
from atrous.spaces.auto_deeplab.space import decode as spelt_by
from atrous.spaces.auto_deeplab.trellis import LAYERS, Path, arrows, exits, is_path
from tests.cases import each

Array = NDArray[np.float64]
ROWS = {edge: row for row, edge in enumerate(edges(5))}
ARROWS = list(arrows(LAYERS))


def _alpha(seed: int, blocks: int = 5) -> Array:
    return np.random.default_rng(seed).normal(0, 1.5, (len(edges(blocks)), len(OPERATIONS) + 1))


def _beta(seed: int, layers: int = LAYERS) -> Array:
    return np.random.default_rng(seed).normal(0, 1, sum(1 for _ in arrows(layers)))


def _prefer(alpha: Array, block: int, state: int, operation: Operation, weight: float) -> None:
    alpha[ROWS[block, state], OPERATIONS.index(operation)] = weight


def _softmax(row: Array) -> Array:
    weights = np.exp(row - row.max())
    return np.asarray(weights / weights.sum())


@each("seed", range(20))
def test_two_strongest_predecessors_each_with_its_strongest_operation(seed: int) -> None:
    alpha = _alpha(seed)
    for number, block in enumerate(decode_cell(alpha)):
        weights = [_softmax(alpha[ROWS[number, s]])[:-1] for s in range(number + 2)]
        strength = [row.max() for row in weights]
        kept = sorted(sorted(range(number + 2), key=lambda s: -strength[s])[:2])
        assert [block.first.state, block.second.state] == kept
        for edge in (block.first, block.second):
            assert OPERATIONS.index(edge.operation) == weights[edge.state].argmax()


def test_none_is_never_decoded() -> None:
    # public implementations take the arg max over all eight operations
    alpha = np.zeros((20, 8))
    alpha[:, -1] = 9
    alpha[:, OPERATIONS.index(Operation.MAXIMUM)] = 1
    found = {edge.operation for block in decode_cell(alpha) for edge in (block.first, block.second)}
    assert found == {Operation.MAXIMUM}
    assert NONE not in {str(operation) for operation in found}


def test_none_weakens_the_edge_that_it_is_on() -> None:
    alpha = np.zeros((5, 8))
    by_edge = {edge: row for row, edge in enumerate(edges(2))}
    alpha[by_edge[1, 2], 0] = 3
    alpha[by_edge[1, 2], -1] = 9  # largest logit of its block, smallest weight
    alpha[by_edge[1, 0], 1] = alpha[by_edge[1, 1], 1] = 1
    block = decode_cell(alpha)[1]
    assert (block.first.state, block.second.state) == (0, 1)


def test_operations_stay_with_their_states_when_the_later_edge_is_stronger() -> None:
    # a public implementation lists edges by strength and pairs operations by edge: they swap
    alpha = np.zeros((20, 8))
    _prefer(alpha, 0, 1, Operation.ATROUS_5, 5)
    _prefer(alpha, 0, 0, Operation.SEPARABLE_3, 2)
    _prefer(alpha, 3, 4, Operation.SKIP, 5)
    _prefer(alpha, 3, 1, Operation.AVERAGE, 2)
    cell = decode_cell(alpha)
    assert cell[0] == Block(Edge(0, Operation.SEPARABLE_3), Edge(1, Operation.ATROUS_5))
    assert cell[3] == Block(Edge(1, Operation.AVERAGE), Edge(4, Operation.SKIP))


def test_a_block_reads_two_different_states() -> None:
    # both of the strongest operations are on one edge
    alpha = np.zeros((20, 8))
    _prefer(alpha, 4, 5, Operation.SEPARABLE_5, 4)
    _prefer(alpha, 4, 5, Operation.ATROUS_5, 3.9)
    _prefer(alpha, 4, 2, Operation.SKIP, 0.5)
    assert decode_cell(alpha)[4] == Block(Edge(2, Operation.SKIP), Edge(5, Operation.SEPARABLE_5))


def test_of_equals_the_first_is_taken() -> None:
    first = Block(Edge(0, OPERATIONS[0]), Edge(1, OPERATIONS[0]))
    assert decode_cell(np.zeros((20, 8))) == (first,) * 5


def test_a_decoded_cell_decodes_again() -> None:
    alpha = np.zeros((20, 8))
    for number, block in enumerate(PUBLISHED_CELL):
        for edge in (block.first, block.second):
            _prefer(alpha, number, edge.state, edge.operation, 1)
    assert decode_cell(alpha) == PUBLISHED_CELL


@pytest.mark.parametrize("count", [0, 1, 4, 19])
def test_alphas_that_fit_no_cell_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"got {count}"):
        decode_cell(np.zeros((count, 8)))


def _all_paths() -> NDArray[np.int64]:
    """Every path [75025, 12]."""
    paths = np.zeros((1, 1), dtype=np.int64)
    for _ in range(LAYERS):
        grown = []
        for level in range(4):
            ending = paths[paths[:, -1] == level]
            grown += [np.c_[ending, np.full(len(ending), target)] for target in exits(level)]
        paths = np.concatenate(grown)
    return paths


@pytest.fixture(scope="module")
def ways() -> NDArray[np.int64]:
    """The places of the arrows of every path [75025, 12]."""
    place = np.full((LAYERS, 4, 4), -1)
    for number, arrow in enumerate(ARROWS):
        place[arrow.layer, arrow.source, arrow.target] = number
    paths = _all_paths()
    assert len(paths) == 75025
    return place[np.arange(LAYERS), paths[:, :-1], paths[:, 1:]]


def _probabilities(beta: Array) -> tuple[Array, Array]:
    """Outgoing probabilities [arrows], written apart from the package, and exits [arrows]."""
    groups = [(arrow.layer, arrow.source) for arrow in ARROWS]
    same = np.array([[group == other for other in groups] for group in groups])
    return np.exp(beta) / (same @ np.exp(beta)), same.sum(axis=1)


def _path_of(way: NDArray[np.int64]) -> Path:
    return tuple(ARROWS[number].target for number in way)


@each("seed", range(8))
@each("neutral", [False, True])
def test_viterbi_finds_the_best_of_all_75025_paths(
    ways: NDArray[np.int64], seed: int, neutral: bool
) -> None:
    beta = _beta(seed)
    shares, exit_counts = _probabilities(beta)
    weights = np.log(shares * exit_counts / 3 if neutral else shares)[ways].sum(axis=1)
    order = np.argsort(-weights)[:25]
    assert decode_path(beta, neutral) == _path_of(ways[order[0]])
    found = best_paths(beta, 25, neutral)
    assert [path for _, path in found] == [_path_of(ways[number]) for number in order]
    assert [weight for weight, _ in found] == pytest.approx(weights[order].tolist())


def test_outgoing_normalisation_favours_the_edge_strides(ways: NDArray[np.int64]) -> None:
    shares, _ = _probabilities(np.zeros(len(ARROWS)))
    by_path = dict(zip(map(_path_of, ways), shares[ways].prod(axis=1), strict=True))
    assert by_path[(0,) * LAYERS] == pytest.approx(2.44e-4, rel=2e-3)
    assert by_path[PUBLISHED_PATH] == pytest.approx(2.14e-5, rel=2e-3)
    # the last layer has the same probability at stride 8: of equals the first is taken
    assert decode_path(np.zeros(len(ARROWS))) == (0,) * LAYERS


def test_the_neutral_option_has_no_favourite_among_equal_betas() -> None:
    found = best_paths(np.zeros(len(list(arrows(6)))), 1000, neutral=True)
    assert len(found) == 233  # every path
    assert [weight for weight, _ in found] == pytest.approx([-6 * log(3)] * len(found))


def test_the_neutral_option_can_change_the_path() -> None:
    beta = np.zeros(len(ARROWS))
    for number, arrow in enumerate(ARROWS):
        before = (0, *PUBLISHED_PATH)[arrow.layer]
        if (arrow.source, arrow.target) == (before, PUBLISHED_PATH[arrow.layer]):
            beta[number] = 0.1
    assert decode_path(beta) != PUBLISHED_PATH
    assert decode_path(beta, neutral=True) == PUBLISHED_PATH


def test_every_path_is_one() -> None:
    for seed in range(20):
        path = decode_path(_beta(seed, 7))
        assert len(path) == 7
        assert is_path(path)
        assert all(abs(a - b) <= 1 for a, b in pairwise(path))


def test_the_genotype_spells_path_and_cell() -> None:
    alpha, beta = _alpha(1), _beta(1)
    found: tuple[Path, RepeatedCell] = (decode_path(beta), decode_cell(alpha))
    spelt = spelt_by(decode(alpha, beta))
    assert (spelt.path, spelt.cell) == found
    auto_deeplab().validate(decode(alpha, beta))


def test_smaller_networks_decode() -> None:
    genotype = decode(_alpha(2, blocks=3), _beta(2, layers=5))
    auto_deeplab(5, 3).validate(genotype)


def test_skips_and_poolings_are_parts_of_all_edges() -> None:
    plain = Block(Edge(0, Operation.SKIP), Edge(1, Operation.MAXIMUM))
    mixed = Block(Edge(0, Operation.AVERAGE), Edge(2, Operation.SEPARABLE_3))
    assert share_of((plain, mixed), Operation.SKIP) == 0.25
    assert share_of((plain, mixed), *POOLING) == 0.5
    assert share_of(PUBLISHED_CELL, Operation.SKIP) == share_of(PUBLISHED_CELL, *POOLING) == 0
