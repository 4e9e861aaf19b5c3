"""The order of a repeated cell's blocks, which is free as long as blocks read earlier ones alone.

What reads a layer does so through weights of its own, so no order of its concatenation is better
than another.
"""

from __future__ import annotations

from collections.abc import Sequence

from atrous.spaces.auto_deeplab.cell import GIVEN, OPERATIONS, Block, Edge, RepeatedCell


def in_order(cell: RepeatedCell) -> RepeatedCell:
    """The cell in the one order that has the smallest blocks first: of those with the smallest
    first block, the one with the smallest second, and so on.

    Not joined are cells that compute one function though their blocks differ, such as a skip of a
    skip. Where equal blocks leave several orders at a place, all are followed.
    """
    orders: list[tuple[int, ...]] = [()]
    for _ in cell:
        longer = {o: moved(cell[o[-1]], o) for order in orders for o in _longer(cell, order)}
        least = min(map(_key, longer.values()))
        orders = [order for order, block in longer.items() if _key(block) == least]
    return tuple(moved(cell[number], orders[0]) for number in orders[0])


def moved(block: Block, order: Sequence[int]) -> Block:
    """The block in a cell at whose place n stands what was block `order[n]`."""
    edges = (
        Edge(order.index(e.state - GIVEN) + GIVEN if e.state >= GIVEN else e.state, e.operation)
        for e in (block.first, block.second)
    )
    first, second = sorted(edges, key=lambda edge: edge.state)
    return Block(first, second)


def _longer(cell: RepeatedCell, order: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The order with one more block: each that reads nothing outside it."""
    known = {*range(GIVEN), *(number + GIVEN for number in order)}
    others = (number for number in range(len(cell)) if number not in order)
    return [(*order, n) for n in others if {cell[n].first.state, cell[n].second.state} <= known]


def _key(block: Block) -> tuple[int, int, int, int]:
    first, second = block.first, block.second
    operations = (OPERATIONS.index(first.operation), OPERATIONS.index(second.operation))
    return (first.state, second.state, *operations)
