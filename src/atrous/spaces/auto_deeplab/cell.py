"""The cell that Auto-DeepLab repeats in every layer, as records (Liu et al. 2019, section 3.1).

A cell has blocks. A block reads two different states, applies an operation to each, and adds the
results. The states are the outputs of the two layers before, then those of the cell's earlier
blocks. The cell gives the concatenation of its blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

PREVIOUS, BEFORE = 0, 1
"""The states that a cell is given: the output of the layer before, and of the one before that."""
GIVEN = 2
"""How many states a cell is given; state 2 + i is its block i."""
BLOCKS = 5


class Operation(str, Enum):
    """The operation of a block on a state, in the order that genotypes count in."""

    SEPARABLE_3 = "sep 3x3"
    SEPARABLE_5 = "sep 5x5"
    ATROUS_3 = "atrous 3x3"
    ATROUS_5 = "atrous 5x5"
    AVERAGE = "average 3x3"
    MAXIMUM = "max 3x3"
    SKIP = "skip"

    def __str__(self) -> str:
        return self.value


OPERATIONS = tuple(Operation)
"""All that a decoded cell may hold. Relaxed, an edge also has `NONE`, at the end."""
PLACES = {operation: place for place, operation in enumerate(OPERATIONS)}
Key = tuple[int, int, int, int]
"""The states and the operations of a block, by which blocks are ordered."""
NONE = "none"


@dataclass(frozen=True)
class Edge:
    """One of the two inputs of a block: a state, and what is done to it."""

    state: int
    operation: Operation

    def __str__(self) -> str:
        return f"{self.operation} of {state_name(self.state)}"


@dataclass(frozen=True)
class Block:
    """The sum of two edges, the one with the smaller state first."""

    first: Edge
    second: Edge


RepeatedCell = tuple[Block, ...]


def state_name(state: int) -> str:
    """A state in words: `layer - 1`, `layer - 2`, or `block 0`."""
    return f"layer - {state + 1}" if state < GIVEN else f"block {state - GIVEN}"


def edges(blocks: int) -> tuple[tuple[int, int], ...]:
    """Every (block, state) that a relaxed cell has, block by block."""
    return tuple((block, state) for block in range(blocks) for state in range(block + GIVEN))


def in_order(cell: RepeatedCell) -> RepeatedCell:
    """The cell in the one order that has the smallest blocks first: of those with the smallest
    first block, the one with the smallest second, and so on.

    Not joined are cells that compute one function though their blocks differ, such as a skip of a
    skip. Where equal blocks leave several orders at a place, all are followed.
    """
    keys, orders = [_key(block) for block in cell], [tuple[int, ...]()]
    for _ in cell:
        longer = {o: _renamed(keys[o[-1]], o) for order in orders for o in _longer(keys, order)}
        least = min(longer.values())
        orders = [order for order, key in longer.items() if key == least]
    return tuple(moved(cell[number], orders[0]) for number in orders[0])


def moved(block: Block, order: Sequence[int]) -> Block:
    """The block in a cell at whose place n stands what was block `order[n]`."""
    edges = (
        Edge(order.index(e.state - GIVEN) + GIVEN if e.state >= GIVEN else e.state, e.operation)
        for e in (block.first, block.second)
    )
    first, second = sorted(edges, key=lambda edge: edge.state)
    return Block(first, second)


def _longer(keys: Sequence[Key], order: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The order with one more block: each that reads nothing outside it."""
    known = {*range(GIVEN), *(number + GIVEN for number in order)}
    others = (number for number in range(len(keys)) if number not in order)
    return [(*order, n) for n in others if keys[n][0] in known and keys[n][1] in known]


def _key(block: Block) -> Key:
    first, second = block.first, block.second
    return first.state, second.state, PLACES[first.operation], PLACES[second.operation]


def _renamed(key: Key, order: tuple[int, ...]) -> Key:
    """The key of the block that `moved` gives."""
    one, other = (order.index(s - GIVEN) + GIVEN if s >= GIVEN else s for s in key[:2])
    return (one, other, key[2], key[3]) if one < other else (other, one, key[3], key[2])
