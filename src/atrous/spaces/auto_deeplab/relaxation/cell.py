"""The relaxed cell: every block reads all earlier states, by all operations (Liu et al. 2019,
section 3.1).

Shapes: B images, C channels a block, H x W positions of the first two states; h x w of the blocks,
(H + 1) // 2 and (W + 1) // 2 at stride 2; k blocks that read a state, k' of them for which an
operation is on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from atrous.spaces.auto_deeplab.cell import BEFORE, GIVEN, PREVIOUS, Operation
from atrous.spaces.auto_deeplab.relaxation.layers import Convolution, ImageSize, Output
from atrous.spaces.auto_deeplab.relaxation.mixture import Use, first_reader
from atrous.spaces.auto_deeplab.relaxation.separable import FEW, Dense, Rows, Separable
from atrous.spaces.auto_deeplab.trunk import RATE, resized

Sums = Sequence[Tensor | None]
"""The sums that blocks have got so far, [B, C, h, w] each, None for nothing yet."""


class RelaxedCell(nn.Module):
    """The weights of a cell's operations. `strided`: some arrows into it halve the positions.

    It is computed in two parts, since what is made of state 1 may serve several cells.
    """

    def __init__(self, blocks: int, channels: int, strided: bool) -> None:
        super().__init__()
        self.blocks, self.channels = blocks, channels
        # The last block is read by none.
        self.states = nn.ModuleList(
            StateOperations(blocks - first_reader(state), channels, strided and state < GIVEN)
            for state in range(blocks + GIVEN - 1)
        )

    def of_before(self, state: Tensor, asked: Sequence[Use], stride: int) -> Sums:
        """State 1 [B, C, H, W] -> what each block gets of it."""
        return self._read(BEFORE, state, asked, stride)

    def forward(self, state: Tensor, of_before: Sums, asked: Sequence[Use], stride: int) -> Tensor:
        """State 0 [B, C, H, W], and what the blocks got of state 1 -> [B, blocks * C, h, w]."""
        of_previous = self._read(PREVIOUS, state, asked, stride)
        sums = [plus(one, other) for one, other in zip(of_previous, of_before, strict=True)]
        for block in range(self.blocks - 1):
            made = sums[block]
            if made is not None:
                parts = self._read(GIVEN + block, made, asked, 1)
                later = zip(sums[block + 1 :], parts, strict=True)
                sums[block + 1 :] = [plus(total, part) for total, part in later]
        height, width = ((side + stride - 1) // stride for side in state.shape[-2:])
        nothing = state.new_zeros(()).expand(len(state), self.channels, height, width)
        return torch.cat([nothing if made is None else made for made in sums], dim=1)

    def _read(self, number: int, state: Tensor, asked: Sequence[Use], stride: int) -> Sums:
        mine = [use for use in asked if use.state == number]
        return cast(Sums, self.states[number](state, mine, stride))


class StateOperations(nn.Module):
    """The operations on one state, for its k readers; `strided`: some layers read it at stride 2,
    where a skip is a convolution."""

    def __init__(self, readers: int, channels: int, strided: bool) -> None:
        super().__init__()
        self.readers = readers
        self.separable_3 = Separable(readers, channels, 3)
        self.separable_5 = Separable(readers, channels, 5)
        self.atrous_3 = Dense(readers, channels, 3)
        self.atrous_5 = Dense(readers, channels, 5)
        self.strided_skip = Dense(readers, channels, 1) if strided else None

    def forward(self, state: Tensor, asked: Sequence[Use], stride: int) -> list[Tensor | None]:
        """Returns what each reader gets of the state [B, C, H, W]: [B, C, h, w], None where all is
        off."""
        weighted = [use for use in asked if _has_weights(use.operation, stride)]
        others = [use for use in asked if not _has_weights(use.operation, stride)]
        sums: dict[Rows, Tensor] = {}
        for use, part in zip(weighted, self._convolved(state, weighted, stride), strict=True):
            base = sums.get(use.rows)
            # In place: no gradient needs what a batch norm gives.
            sums[use.rows] = part if base is None else base.add_(part)
        for rows in dict.fromkeys(use.rows for use in others):
            alike = [use for use in others if use.rows == rows]
            maps = [_pooled(state, use.operation, stride) for use in alike]
            sums[rows] = mixed(sums.get(rows), maps, [use.gains for use in alike])
        return _by_reader(sums, self.readers)

    def _convolved(self, state: Tensor, asked: Sequence[Use], stride: int) -> Iterator[Tensor]:
        """[B, k' * C, h, w] of each operation that has weights."""
        if not asked:
            return
        active = functional.relu(state)
        height, width = state.shape[-2:]
        halved = resized(active, ((height + 1) // 2, (width + 1) // 2)) if stride == 2 else active
        rate = RATE if stride == 1 else 1
        for use in asked:
            rows, gains = use.rows, use.gains
            match use.operation:
                case Operation.SEPARABLE_3:
                    yield self.separable_3(active, rows, gains, stride)
                case Operation.SEPARABLE_5:
                    yield self.separable_5(active, rows, gains, stride)
                case Operation.ATROUS_3:
                    yield self.atrous_3(halved, rows, gains, rate=rate)
                case Operation.ATROUS_5:
                    yield self.atrous_5(halved, rows, gains, rate=rate)
                case _:
                    assert self.strided_skip is not None
                    yield self.strided_skip(active, rows, gains, stride)


def _has_weights(operation: Operation, stride: int) -> bool:
    pooling = operation in (Operation.AVERAGE, Operation.MAXIMUM)
    return not pooling and (operation is not Operation.SKIP or stride == 2)


def _pooled(state: Tensor, operation: Operation, stride: int) -> Tensor:
    """Returns what an operation without weights gives, to whichever reader: [B, C, h, w]."""
    match operation:
        case Operation.AVERAGE:
            return functional.avg_pool2d(state, 3, stride, 1, count_include_pad=False)
        case Operation.MAXIMUM:
            return functional.max_pool2d(state, 3, stride, 1)
        case _:
            return state


def _by_reader(sums: Mapping[Rows, Tensor], readers: int) -> list[Tensor | None]:
    pieces: list[Tensor | None] = [None] * readers
    for rows, total in sums.items():
        for row, piece in zip(rows, total.chunk(len(rows), dim=1), strict=True):
            pieces[row] = plus(pieces[row], piece)
    return pieces


def plus(sums: Tensor | None, part: Tensor | None) -> Tensor | None:
    """The sum of what there is."""
    if sums is None or part is None:
        return part if sums is None else sums
    return sums + part


def mixed(base: Tensor | None, maps: Sequence[Tensor], gains: Sequence[Tensor]) -> Tensor:
    """`base`, if there is any, and the sum of `maps` [B, C, H, W], each times its `gains` [k * C].

    `base` is the result of nothing that needs it for a gradient.
    """
    channels = maps[0].shape[1]
    last = [part.permute(0, 2, 3, 1) for part in maps]
    own = [gain.to(maps[0].dtype).view(-1, channels) for gain in gains]
    total = None if base is None else base.permute(0, 2, 3, 1)
    result = (_product if channels < FEW else _in_turn)(total, last, own)
    return result.permute(0, 3, 1, 2)


def _product(base: Tensor | None, maps: Sequence[Tensor], gains: Sequence[Tensor]) -> Tensor:
    """[B, H, W, k * C] by one matrix: a diagonal block for each reader and each of the maps."""
    readers, channels = gains[0].shape
    diagonal = torch.eye(channels, dtype=gains[0].dtype, device=gains[0].device)
    blocks = torch.stack(list(gains), dim=2).unsqueeze(3) * diagonal[:, None, :]
    weights = blocks.view(readers * channels, len(maps) * channels)
    product = functional.linear(torch.cat(list(maps), dim=3), weights)
    return product if base is None else product.add_(base)


def _in_turn(base: Tensor | None, maps: Sequence[Tensor], gains: Sequence[Tensor]) -> Tensor:
    """[B, H, W, k * C] by one pass for each of the maps."""
    total = None if base is None else base.view(*base.shape[:3], *gains[0].shape)
    for part, gain in zip(maps, gains, strict=True):
        each = part.unsqueeze(3)
        total = each * gain if total is None else torch.addcmul(total, each, gain)
    assert total is not None
    flat: Tensor = total.flatten(3)
    return flat


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
