"""The cell that Auto-DeepLab repeats in every layer, as records (Liu et al. 2019, section 3.1).

A cell has blocks. A block reads two different states, applies an operation to each, and adds the
results. The states are the outputs of the two layers before, then those of the cell's earlier
blocks. The cell gives the concatenation of its blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

PREVIOUS, BEFORE = 0, 1
"""The states that a cell is given: the output of the layer before, and of the one before that."""
GIVEN = 2
"""How many states a cell is given; state 2 + i is its block i."""
BLOCKS = 5


class Operation(str, Enum):
    """What a block does to a state, in the order that genotypes count in."""

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
"""What a decoded cell may hold. Relaxed, an edge also has `NONE`, at the end."""
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
