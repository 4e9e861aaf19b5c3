"""The mixture that a relaxed trellis computes: operations on edges, and ways between levels.

Group `operations` has alpha [edges, 8], in the order of `cell.edges`, operations then `NONE`; group
`ways` has beta, for each node of the trellis the arrows that leave it, of which there are two at
strides 4 and 32 and three between (Liu et al. 2019, equations 2 and 7). On a single path each node
has one arrow into it, and batch norm takes the arrow's weight out again: ways are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from atrous.relax.gates import Choices, Group, Groups
from atrous.spaces.auto_deeplab.cell import GIVEN, OPERATIONS, Operation, RepeatedCell, edges
from atrous.spaces.auto_deeplab.relaxation.decoding import OPERATIONS_GROUP, WAYS_GROUP, nodes
from atrous.spaces.auto_deeplab.trellis import Path, arrows, exits

NEVER = len(OPERATIONS)
"""The place of `NONE`, which is never computed."""
CHOICES = NEVER + 1
"""Of an edge: the operations, then `NONE`."""


@dataclass(frozen=True)
class Mixture:
    """Weights of the operations on every edge [edges, 8] and of the arrows [arrows], through which
    gradients flow, and which of them are computed at all. A single path has weights 1 and no
    gradient."""

    operations: Tensor
    arrows: Tensor
    operations_on: tuple[tuple[bool, ...], ...]
    arrows_on: tuple[bool, ...]


def groups_of(alpha: Tensor, beta: Tensor, layers: int) -> Groups:
    """Returns alpha [edges, 8] and beta [arrows] as groups of logits."""
    return {
        OPERATIONS_GROUP: Group((alpha,)),
        WAYS_GROUP: Group(by_node(beta, layers), compared=True),
    }


def mixture_of(choices: Choices, layers: int) -> Mixture:
    """Returns what the choices of a gate mean in a trellis of so many layers."""
    operations, ways = choices[OPERATIONS_GROUP], choices[WAYS_GROUP]
    (weights,) = operations.weights
    every = range(CHOICES)
    if operations.numbers is None:
        operations_on = (tuple(o < NEVER for o in every),) * len(weights)
    else:
        chosen = operations.numbers[0].tolist()
        operations_on = tuple(tuple(o == choice < NEVER for o in every) for choice in chosen)
    if ways.numbers is None:
        shares = torch.cat(ways.weights)
        return Mixture(weights, shares, operations_on, (True,) * len(shares))
    arrows_on = on_path(path_of(torch.stack(ways.numbers).tolist(), layers))
    return Mixture(weights, torch.tensor(arrows_on).to(weights), operations_on, arrows_on)


def one_hot(path: Path, cell: RepeatedCell) -> Mixture:
    """Returns one architecture alone: the relaxed network computes what the decoded one does."""
    chosen = {
        (block, edge.state): OPERATIONS.index(edge.operation)
        for block, both in enumerate(cell)
        for edge in (both.first, both.second)
    }
    numbers = [chosen.get(edge) for edge in edges(len(cell))]
    operations_on = tuple(tuple(o == n for o in range(CHOICES)) for n in numbers)
    arrows_on = on_path(path)
    return Mixture(
        torch.tensor(operations_on, dtype=torch.get_default_dtype()),
        torch.tensor(arrows_on, dtype=torch.get_default_dtype()),
        operations_on,
        arrows_on,
    )


def contrast(logits: Tensor, layers: int, first: Mixture, second: Mixture) -> Tensor:
    """Returns log p(first) - log p(second), a scalar, of the paths of two mixtures, by the logits
    [arrows] from which both were drawn."""
    logarithms = torch.cat([part.log_softmax(0) for part in by_node(logits, layers)])
    signs = torch.tensor(first.arrows_on).to(logits) - torch.tensor(second.arrows_on).to(logits)
    return (logarithms * signs).sum()


def on_path(path: Path) -> tuple[bool, ...]:
    """Tells which arrows of the trellis a path follows."""
    steps = list(zip((0, *path), path, strict=False))
    return tuple(steps[a.layer] == (a.source, a.target) for a in arrows(len(path)))


def path_of(choices: Sequence[int], layers: int) -> Path:
    """Goes from the stem along the arrow of this number at each node."""
    chosen = dict(zip(nodes(layers), choices, strict=True))
    path: list[int] = []
    for layer in range(layers):
        source = path[-1] if path else 0
        path.append(exits(source)[chosen[layer, source]])
    return tuple(path)


def by_node(beta: Tensor, layers: int) -> tuple[Tensor, ...]:
    """Splits beta [arrows] into the arrows that leave each node."""
    return torch.split(beta, [len(exits(source)) for _, source in nodes(layers)])


@dataclass(frozen=True)
class Use:
    """An operation that a mixture has on a state: `rows` are those of the state's readers for which
    it is on, in order, `gains` its weights [len(rows) * C], a reader's the same in all channels."""

    state: int
    operation: Operation
    rows: tuple[int, ...]
    gains: Tensor


def first_reader(state: int) -> int:
    """Returns the first block that reads a state; all later ones do too."""
    return max(state - GIVEN + 1, 0)


def uses(mixture: Mixture, blocks: int, channels: int) -> tuple[Use, ...]:
    """Lists all that is on, by state and operation, for cells of so many `channels` a block."""
    asked = list(_asked(mixture, blocks))
    numbers = [number for _, _, _, numbers in asked for number in numbers]
    index = torch.tensor(numbers, dtype=torch.int64, device=mixture.operations.device)
    gains = mixture.operations.flatten()[index].unsqueeze(1).expand(-1, channels).flatten()
    # A single gain, expanded, has stride 0, which torch 2.13's batch norm on a CPU does not heed:
    # its gradient reads past the end.
    gains = gains.contiguous()
    parts = torch.split(gains, [len(rows) * channels for _, _, rows, _ in asked])
    return tuple(
        Use(state, operation, rows, part)
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
