"""All that the blocks of a relaxed cell do to one of its states.

Shapes: B images, C channels, H x W positions of the state; h x w of the result, (H + 1) // 2 and
(W + 1) // 2 at stride 2; k blocks that read the state, k' of them for which an operation is on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor, nn
from torch.nn import functional

from atrous.spaces.auto_deeplab.cell import Operation
from atrous.spaces.auto_deeplab.relaxation.merged import Dense, Rows, Separable
from atrous.spaces.auto_deeplab.relaxation.mixing import mixed
from atrous.spaces.auto_deeplab.relaxation.reading import Reading
from atrous.spaces.auto_deeplab.trunk import RATE, resized


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

    def forward(self, state: Tensor, asked: Sequence[Reading], stride: int) -> list[Tensor | None]:
        """What each reader gets of the state [B, C, H, W]: [B, C, h, w], None where all is off."""
        weighted = [reading for reading in asked if _has_weights(reading.operation, stride)]
        others = [reading for reading in asked if not _has_weights(reading.operation, stride)]
        sums: dict[Rows, Tensor] = {}
        for reading, part in zip(weighted, self._convolved(state, weighted, stride), strict=True):
            base = sums.get(reading.rows)
            # In place: no gradient needs what a batch norm gives.
            sums[reading.rows] = part if base is None else base.add_(part)
        for rows in dict.fromkeys(reading.rows for reading in others):
            alike = [reading for reading in others if reading.rows == rows]
            maps = [_pooled(state, reading.operation, stride) for reading in alike]
            sums[rows] = mixed(sums.get(rows), maps, [reading.gains for reading in alike])
        return _by_reader(sums, self.readers)

    def _convolved(self, state: Tensor, asked: Sequence[Reading], stride: int) -> Iterator[Tensor]:
        """[B, k' * C, h, w] of each operation that has weights."""
        if not asked:
            return
        active = functional.relu(state)
        height, width = state.shape[-2:]
        halved = resized(active, ((height + 1) // 2, (width + 1) // 2)) if stride == 2 else active
        rate = RATE if stride == 1 else 1
        for reading in asked:
            rows, gains = reading.rows, reading.gains
            match reading.operation:
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
    """What an operation without weights gives, to whichever reader: [B, C, h, w]."""
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
