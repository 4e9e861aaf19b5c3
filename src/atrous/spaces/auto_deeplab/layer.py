"""One layer of an Auto-DeepLab trunk: the repeated cell at one place of the path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from atrous.networks.drop_path import DropPath
from atrous.spaces.auto_deeplab.cell import GIVEN, Edge, Operation, RepeatedCell
from atrous.spaces.auto_deeplab.operations import Projection, doubled, make_operation, resized


class Layer(nn.Module):
    """The cell on the outputs x and y of the two layers before, as the released network has it.

    An up step (`move` -1) first doubles x; y is then resized to x, unless it is known that it
    `y_fits`. State 0 is x after a projection to `filters` channels; state 1 is y, projected if it
    has others. In a down step (`move` +1) the operations that read these two have stride 2. `depth`
    in (0, 1] is how deep in the network the layer is, which scheduled drop path asks for; it spares
    skips.
    """

    def __init__(
        self,
        cell: RepeatedCell,
        x_channels: int,
        y_channels: int,
        filters: int,
        move: int,
        y_fits: bool = False,
        depth: float = 1.0,
    ) -> None:
        super().__init__()
        self.move, self.y_fits = move, y_fits
        self.previous = Projection(x_channels, filters)
        same = y_channels == filters
        self.before = nn.Identity() if same else Projection(y_channels, filters)
        self.edges = [edge for block in cell for edge in (block.first, block.second)]
        self.operations = nn.ModuleList(
            make_operation(edge.operation, filters, _stride(edge, move)) for edge in self.edges
        )
        self.drop = DropPath(depth)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x [B, x_channels, H, W] and y [B, y_channels, any size] -> [B, blocks * filters, h, w]:
        half of H and W after a down step, 2H - 1 and 2W - 1 after an up step, else the same."""
        x = doubled(x) if self.move < 0 else x
        y = y if self.y_fits else resized(y, (x.shape[-2], x.shape[-1]))
        states = [self.previous(x), self.before(y)]
        for first in range(0, len(self.edges), 2):
            states.append(self._applied(first, states) + self._applied(first + 1, states))
        return torch.cat(states[GIVEN:], dim=1)

    def _applied(self, number: int, states: Sequence[Tensor]) -> Tensor:
        """What an edge makes of the state that it reads."""
        edge = self.edges[number]
        result: Tensor = self.operations[number](states[edge.state])
        return result if edge.operation is Operation.SKIP else cast(Tensor, self.drop(result))


def _stride(edge: Edge, move: int) -> int:
    return 2 if move > 0 and edge.state < GIVEN else 1
