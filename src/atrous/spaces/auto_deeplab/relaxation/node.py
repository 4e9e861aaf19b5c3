"""A node of the trellis: the relaxed cell of one layer at one level, for all arrows into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from atrous.spaces.auto_deeplab.relaxation.cell import RelaxedCell, Sums
from atrous.spaces.auto_deeplab.relaxation.layers import Convolution, ImageSize, Output
from atrous.spaces.auto_deeplab.relaxation.mixture import Use

Result = TypeVar("Result")


@dataclass(frozen=True)
class NodePass:
    """The things that all nodes need in one pass: by level, the size of maps and what is on; and
    whether cells are computed a second time, for their gradients, instead of being kept."""

    sizes: Sequence[ImageSize]
    asked: Sequence[Sequence[Use]]
    checkpointing: bool


@dataclass(frozen=True)
class Arrival:
    """An arrow into the node that is on: the level it comes from, what it brings, its weight."""

    source: int
    output: Output
    weight: Tensor


class Node(nn.Module):
    """One set of weights for up to three arrows: the paper does not say whether they share it, and
    the public implementations have it so. Each arrow is a cell evaluation of its own.

    `previous` gives the channels of what may come, by the level it comes from; `before` those of
    what may be taken for the output of the layer before that one.
    """

    def __init__(
        self,
        blocks: int,
        channels: int,
        level: int,
        previous: Mapping[int, int],
        before: Mapping[int, int],
    ) -> None:
        super().__init__()
        self.level = level
        self.previous = _projections(previous, channels)
        self.before = _projections({u: c for u, c in before.items() if c != channels}, channels)
        self.cell = RelaxedCell(blocks, channels, strided=level - 1 in previous)

    def forward(
        self, arrivals: Sequence[Arrival], before: tuple[int, Output], context: NodePass
    ) -> Tensor:
        """[B, blocks * C, H, W] at the node's level; `before` is a level and the output there."""
        of_before: dict[int, Sums] = {}
        total: Tensor | None = None
        for arrival in arrivals:
            # Where both inputs meet: a down step halves them only inside the cell.
            level = min(arrival.source, self.level)
            if level not in of_before:
                read = partial(self._of_before, context, before[0], level)
                of_before[level] = _evaluated(read, context, before[1])
            evaluate = partial(self._cell, context, arrival.source, level)
            made = _evaluated(evaluate, context, arrival.output, *of_before[level])
            weighted = made * arrival.weight
            total = weighted if total is None else total.add_(weighted)
        assert total is not None
        return total

    def _of_before(self, context: NodePass, source: int, level: int, output: Output) -> Sums:
        size = context.sizes[level]
        known = str(source) in self.before
        state = self.before[str(source)](output.active(size)) if known else output.at(size)
        return self.cell.of_before(state, context.asked[self.level], 1 + self.level - level)

    def _cell(
        self, context: NodePass, source: int, level: int, output: Output, *of_before: Tensor | None
    ) -> Tensor:
        state = self.previous[str(source)](output.active(context.sizes[level]))
        made: Tensor = self.cell(
            state, of_before, context.asked[self.level], 1 + self.level - level
        )
        return made


def _evaluated(
    function: Callable[..., Result], context: NodePass, output: Output, *rest: Tensor | None
) -> Result:
    """The function of an output, now, or now and again when its gradient is asked for."""
    if not context.checkpointing:
        return function(output, *rest)
    result: Result = checkpoint(
        lambda maps, *others: function(Output(maps), *others),
        output.maps,
        *rest,
        use_reentrant=False,
        preserve_rng_state=False,
    )
    return result


def _projections(channels: Mapping[int, int], filters: int) -> nn.ModuleDict:
    """1x1 convolutions with batch norm, by the level of what they read."""
    return nn.ModuleDict({str(level): Convolution(c, filters) for level, c in channels.items()})
