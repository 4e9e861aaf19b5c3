"""What a mixture asks of a cell: which operations on which of its edges, and with which weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from atrous.relax.gates import CHOICES, Mixture
from atrous.spaces.auto_deeplab.cell import GIVEN, OPERATIONS, Operation, edges


@dataclass(frozen=True)
class Reading:
    """One operation on one state: `rows` are those of the state's readers for which it is on, in
    order, `gains` its weights [len(rows) * C], a reader's the same in all channels."""

    state: int
    operation: Operation
    rows: tuple[int, ...]
    gains: Tensor


def first_reader(state: int) -> int:
    """The first block that reads a state; all later ones do too."""
    return max(state - GIVEN + 1, 0)


def readings(mixture: Mixture, blocks: int, channels: int) -> tuple[Reading, ...]:
    """All that is on, by state and operation, for cells of so many `channels` a block."""
    asked = list(_asked(mixture, blocks))
    numbers = [number for _, _, _, numbers in asked for number in numbers]
    index = torch.tensor(numbers, dtype=torch.int64, device=mixture.operations.device)
    gains = mixture.operations.flatten()[index].unsqueeze(1).expand(-1, channels).flatten()
    # A single gain, expanded, has stride 0, which torch 2.13's batch norm on a CPU does not heed:
    # its gradient reads past the end.
    gains = gains.contiguous()
    parts = torch.split(gains, [len(rows) * channels for _, _, rows, _ in asked])
    return tuple(
        Reading(state, operation, rows, part)
        for (state, operation, rows, _), part in zip(asked, parts, strict=True)
    )


def _asked(
    mixture: Mixture, blocks: int
) -> Iterator[tuple[int, Operation, tuple[int, ...], list[int]]]:
    """State, operation, rows, and where in the flat mixture [edges * 8] their weights are."""
    place = {edge: number for number, edge in enumerate(edges(blocks))}
    for state in range(blocks + GIVEN - 1):
        first = first_reader(state)
        for choice, operation in enumerate(OPERATIONS):
            on = [
                (block - first, place[block, state] * CHOICES + choice)
                for block in range(first, blocks)
                if mixture.operations_on[place[block, state]][choice]
            ]
            if on:
                yield state, operation, tuple(row for row, _ in on), [number for _, number in on]
