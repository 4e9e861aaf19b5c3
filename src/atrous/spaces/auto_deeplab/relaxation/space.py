"""A space of Auto-DeepLab as a search by gradients sees it, and how long its networks take.

A network's latency is taken as the sum over its parts: each operation at each stride, and what a
cell spends on its two inputs before its operations (Wu et al. 2019, FBNet, sum over layers alone).
What the parts cost beside each other (additions, concatenation, launches that overlap) is left out,
and so are stem and head, which all networks share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from atrous.core.architecture import Genotype
from atrous.core.errors import AtrousError
from atrous.relax.relaxation import Logits, Probabilities, TimedPart
from atrous.spaces.auto_deeplab.cell import BLOCKS, GIVEN, OPERATIONS, Operation, edges
from atrous.spaces.auto_deeplab.relaxation.decoding import (
    OPERATIONS_GROUP,
    POOLING,
    WAYS_GROUP,
    arrow_probabilities,
    blocks_of,
    decode_candidates,
    decode_cell,
    layers_with,
    share_of,
)
from atrous.spaces.auto_deeplab.relaxation.mixture import Mixture, one_hot
from atrous.spaces.auto_deeplab.relaxation.supernet import Supernet, SupernetSize
from atrous.spaces.auto_deeplab.space import decode
from atrous.spaces.auto_deeplab.trellis import LAYERS, LEVELS, MEAN, STD, STRIDES, arrows, exits
from atrous.spaces.auto_deeplab.trunk import Projection, doubled, make_operation
from atrous.tasks.task import Task

LEAST = 1e-30
"""A probability of 0 is taken as this where its logarithm is needed."""
PLACES = tuple((level, stride) for level in LEVELS for stride in ((1, 2) if level else (1,)))
"""Where an operation can be: the level at which it ends, and the stride that takes it there."""
MOVES = tuple((source, target) for source in LEVELS for target in exits(source))
"""From the level of the layer before to that of the cell."""


def relaxation_of(space: str) -> TrellisRelaxation:
    """Returns the relaxation of the space of this name, which says layers and blocks."""
    layers, _, blocks = space.partition("-")[2].partition("x")
    return TrellisRelaxation(int(layers or LAYERS), int(blocks or BLOCKS))


@dataclass(frozen=True)
class TrellisRelaxation:
    """Networks of so many layers whose cell has so many blocks; see `Relaxation`."""

    layers: int
    blocks: int

    @property
    def mean(self) -> tuple[float, ...]:
        """See `Relaxation`."""
        return MEAN

    @property
    def std(self) -> tuple[float, ...]:
        """See `Relaxation`."""
        return STD

    @property
    def canvas(self) -> int:
        """See `Relaxation`."""
        return STRIDES[-1]

    def network(self, filters: int, classes: int, checkpointing: bool, task: Task) -> Supernet:
        """See `Relaxation`."""
        size = SupernetSize(self.layers, self.blocks, filters, classes)
        return Supernet(size, checkpointing, task)

    def candidates(self, logits: Logits, count: int, neutral: bool) -> list[Genotype]:
        """See `Relaxation`; `neutral` is explained at `decode_path`."""
        (alpha,) = logits[OPERATIONS_GROUP]
        return decode_candidates(alpha, torch.cat(list(logits[WAYS_GROUP])), count, neutral)

    def warning(self, probabilities: Probabilities, plain: float) -> str | None:
        """Warns of cells that skip and pool."""
        alpha = np.asarray(probabilities[OPERATIONS_GROUP])
        cell = decode_cell(np.log(np.maximum(alpha, LEAST)))
        skips, pools = share_of(cell, Operation.SKIP), share_of(cell, *POOLING)
        if skips + pools <= plain:
            return None
        return (
            f"Of the edges of the cell that would be decoded, {skips:.0%} skip and {pools:.0%} "
            "pool: operations without weights win where the relaxed network is trained too little, "
            "or too long."
        )

    def one_hot(self, genotype: Genotype) -> Mixture:
        """See `Relaxation`."""
        spelt = decode(genotype, self.layers)
        return one_hot(spelt.path, spelt.cell)

    def parts(self, filters: int, size: tuple[int, int]) -> dict[str, TimedPart]:
        """Returns every operation at every place, then the inputs of every move."""
        if any(side % 32 != 1 or side < 33 for side in size):
            raise AtrousError(
                f"Expected sides of k * 32 + 1 pixels, such as 321, got {size[0]}x{size[1]}. "
                "Choose the nearest such size."
            )
        operations = {
            operation_name(o, *place): operation_part(o, *place, filters, size)
            for place in PLACES
            for o in OPERATIONS
        }
        return operations | {
            inputs_name(*move): inputs_part(*move, filters, self.blocks, size) for move in MOVES
        }

    def latency(self, milliseconds: Mapping[str, float], mixture: Mixture) -> Tensor:
        """See `Relaxation`; a walk takes an arrow as often as the mixture weighs the arrows."""
        return expected_latency(milliseconds, mixture.operations, reached(mixture.arrows))


def operation_name(operation: Operation, level: int, stride: int) -> str:
    """Names the latency of an operation that ends at a level."""
    return f"{operation} at stride {STRIDES[level]}, step {stride}"


def inputs_name(source: int, target: int) -> str:
    """Names the latency of a cell's inputs for a move between two levels."""
    return f"inputs from stride {STRIDES[source]} to {STRIDES[target]}"


def operation_part(
    operation: Operation, level: int, stride: int, filters: int, size: tuple[int, int]
) -> TimedPart:
    """Builds an operation that ends at `level`, from maps twice as large where it strides."""
    width, source = filters << level, level - (stride == 2)
    return TimedPart(make_operation(operation, width, stride), width, _maps(source, size))


def inputs_part(
    source: int, target: int, filters: int, blocks: int, size: tuple[int, int]
) -> TimedPart:
    """Builds what makes a cell's two given states for a move between two levels.

    Both layers before are taken to have been at `source`: a second one at another level would be
    resized as well, and cost more or less by its channels.
    """
    channels = blocks * (filters << source)
    states = [Projection(channels, filters << target) for _ in range(GIVEN)]
    return TimedPart(_Inputs(states, target < source), channels, _maps(source, size))


def reached(outgoing: Tensor) -> Tensor:
    """Returns the probability that a walk takes each arrow, from outgoing probabilities, both
    [arrows]."""
    return torch.stack(list(arrow_probabilities(outgoing.unbind()).values()))


def expected_latency(milliseconds: Mapping[str, float], weights: Tensor, reached: Tensor) -> Tensor:
    """Returns milliseconds, without dimensions, from the weights of the operations [edges, 8] and
    the probabilities that a walk takes each arrow [arrows].

    The sum over arrows of probability x latency of the cell, which is that of its inputs plus the
    sum over edges of weight x latency of the operation; `none` takes no time. All edges count,
    though decoding keeps two of a block's: exactly the decoded network's latency comes out where
    the weights are one on what it keeps, and on `none` elsewhere.
    """
    inputs, given, later = _by_move(milliseconds, weights)
    states = [state for _, state in edges(blocks_of(len(weights)))]
    first = torch.tensor([state < GIVEN for state in states], device=weights.device)
    used = weights[:, : len(OPERATIONS)]
    cells = inputs + given @ used[first].sum(0) + later @ used[~first].sum(0)
    moves = [MOVES.index((a.source, a.target)) for a in arrows(layers_with(len(reached)))]
    return reached @ cells[torch.tensor(moves, device=weights.device)]


def _by_move(milliseconds: Mapping[str, float], like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of a cell by move: what its inputs take [moves]; what each operation takes on a state that it
    is given, and on its blocks [moves, 7]."""

    def row(level: int, stride: int) -> list[float]:
        return [milliseconds[operation_name(o, level, stride)] for o in OPERATIONS]

    inputs = like.new_tensor([milliseconds[inputs_name(*move)] for move in MOVES])
    given = like.new_tensor([row(target, 2 if target > source else 1) for source, target in MOVES])
    later = like.new_tensor([row(target, 1) for _, target in MOVES])
    return inputs, given, later


class _Inputs(nn.Module):
    """The two projections, of a map that is doubled first in an up step."""

    def __init__(self, states: list[Projection], up: bool) -> None:
        super().__init__()
        self.states, self.up = nn.ModuleList(states), up

    def forward(self, maps: Tensor) -> list[Tensor]:
        """[B, channels, H, W] -> for each state [B, filters, h, w]."""
        maps = doubled(maps) if self.up else maps
        return [state(maps) for state in self.states]


def _maps(level: int, size: tuple[int, int]) -> tuple[int, int]:
    height, width = ((side - 1) // STRIDES[level] + 1 for side in size)
    return height, width
