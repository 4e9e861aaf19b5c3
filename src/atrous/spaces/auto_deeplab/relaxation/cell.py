"""The relaxed cell: every block reads all earlier states, by all operations (Liu et al. 2019,
section 3.1). Shapes: B images, C channels a block, H x W positions of the first two states; h x w
of the blocks, (H + 1) // 2 and (W + 1) // 2 at stride 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from atrous.spaces.auto_deeplab.cell import BEFORE, GIVEN, PREVIOUS
from atrous.spaces.auto_deeplab.relaxation.reading import Reading, first_reader
from atrous.spaces.auto_deeplab.relaxation.state import StateOperations, plus

Sums = Sequence[Tensor | None]
"""What blocks have got so far, [B, C, h, w] each, None for nothing yet."""


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

    def of_before(self, state: Tensor, asked: Sequence[Reading], stride: int) -> Sums:
        """State 1 [B, C, H, W] -> what each block gets of it."""
        return self._read(BEFORE, state, asked, stride)

    def forward(
        self, state: Tensor, of_before: Sums, asked: Sequence[Reading], stride: int
    ) -> Tensor:
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

    def _read(self, number: int, state: Tensor, asked: Sequence[Reading], stride: int) -> Sums:
        mine = [reading for reading in asked if reading.state == number]
        return cast(Sums, self.states[number](state, mine, stride))
