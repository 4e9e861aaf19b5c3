"""One order for the blocks of a cell, against every order there is."""

from __future__ import annotations

from itertools import permutations, product
from random import Random

import pytest

from atrous.spaces.auto_deeplab.cell import GIVEN, Block, Edge, Operation, RepeatedCell, in_order
from atrous.spaces.auto_deeplab.space import PUBLISHED_CELL, auto_deeplab, decode, encode, pairs


def state_of(edge: Edge) -> int:
    return edge.state


def orbit(cell: RepeatedCell) -> frozenset[RepeatedCell]:
    """The cell in every order in which blocks read earlier ones alone."""
    found = set()
    for order in permutations(range(len(cell))):
        place = {0: 0, 1: 1} | {n + GIVEN: at + GIVEN for at, n in enumerate(order)}
        blocks = []
        for number in order:
            ends = (cell[number].first, cell[number].second)
            edges = sorted((Edge(place[e.state], e.operation) for e in ends), key=state_of)
            blocks.append(Block(*edges))
        if all(block.second.state < at + GIVEN for at, block in enumerate(blocks)):
            found.add(tuple(blocks))
    return frozenset(found)


def cells_of(blocks: int, operations: tuple[Operation, ...]) -> list[RepeatedCell]:
    """All cells with some of the operations."""
    choices = [
        [
            Block(Edge(low, a), Edge(high, b))
            for (low, high), a, b in product(pairs(n), operations, operations)
        ]
        for n in range(blocks)
    ]
    return list(product(*choices))


@pytest.mark.parametrize(
    ("blocks", "operations"),
    [
        (2, tuple(Operation)),
        (3, (Operation.SKIP, Operation.ATROUS_3)),
        (4, (Operation.MAXIMUM,)),
        (5, (Operation.SKIP,)),
    ],
)
def test_exactly_the_orders_of_one_cell_become_one(
    blocks: int, operations: tuple[Operation, ...]
) -> None:
    seen: set[RepeatedCell] = set()
    forms = set()
    for cell in cells_of(blocks, operations):
        if cell in seen:
            continue
        same = orbit(cell)
        form = in_order(cell)
        assert form in same
        assert {in_order(other) for other in same} == {form}
        assert form not in forms
        forms.add(form)
        seen |= same


def test_orders_of_random_cells_become_one_and_it_stays() -> None:
    space, rng = auto_deeplab(2), Random(3)
    for genotype in (space.sample(rng) for _ in range(40)):
        cell = decode(genotype, 2).cell
        form = in_order(cell)
        assert form in orbit(cell)
        assert {in_order(other) for other in orbit(cell)} == {form}
        assert in_order(form) == form


def test_a_pair_turns_round_where_its_states_change_places() -> None:
    """Blocks 0 and 1 change places, so block 2 reads them the other way round."""
    late = Block(Edge(0, Operation.SKIP), Edge(1, Operation.SKIP))
    early = Block(Edge(0, Operation.SEPARABLE_3), Edge(1, Operation.SKIP))
    reader = Block(Edge(2, Operation.AVERAGE), Edge(3, Operation.ATROUS_5))
    turned = Block(Edge(2, Operation.ATROUS_5), Edge(3, Operation.AVERAGE))
    assert in_order((late, early, reader)) == (early, late, turned)


def test_of_equal_blocks_the_one_that_is_read_decides_the_order() -> None:
    """Blocks 0 and 1 are equal; block 2 reads the second of them."""
    twin = Block(Edge(0, Operation.SKIP), Edge(1, Operation.SKIP))
    reads_first = Block(Edge(0, Operation.SKIP), Edge(2, Operation.SKIP))
    reads_second = Block(Edge(0, Operation.SKIP), Edge(3, Operation.SKIP))
    assert in_order((twin, twin, reads_second)) == in_order((twin, twin, reads_first))


def test_the_published_cell_has_a_form_with_the_same_blocks() -> None:
    assert in_order(PUBLISHED_CELL) in orbit(PUBLISHED_CELL)
    assert encode((0,), in_order(PUBLISHED_CELL))


def test_seven_equal_blocks_are_ordered_in_reasonable_time() -> None:
    twins = (Block(Edge(0, Operation.SKIP), Edge(1, Operation.SKIP)),) * 7
    assert in_order(twins) == twins
