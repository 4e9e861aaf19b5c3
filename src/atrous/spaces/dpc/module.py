"""The dense prediction cell as a module (Chen et al. 2018, section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from atrous.core.errors import AtrousError
from atrous.networks.layers import Dropout, GridPoolingUnit, PointwiseUnit, SeparableUnit
from atrous.networks.pyramid import Part, Pyramid
from atrous.spaces.dpc import cell as records
from atrous.spaces.dpc.cell import FEATURES, Cell

DROPOUT = 0.1
RATES_STRIDE = 16
"""The output stride for which the rates of a cell are meant."""


class DensePredictionCell(Part):
    """Branches in order, concatenation, dropout, 1x1 projection with batch norm and ReLU.

    It reads the deepest map there is. Atrous rates are multiplied by 16 / its stride, as in the
    reference implementation.
    """

    def __init__(self, cell: Cell, channels: Mapping[int, int], filters: int) -> None:
        super().__init__()
        self.stride, self.channels = max(channels), filters
        if self.stride > RATES_STRIDE:
            raise AtrousError(
                f"A dense prediction cell needs an output stride of at most {RATES_STRIDE}, got "
                f"{self.stride}: its atrous rates would fall below 1."
            )
        self.reads = (self.stride,)
        multiplier = RATES_STRIDE // self.stride
        self.inputs = tuple(branch.input for branch in cell)
        self.branches = nn.ModuleList(
            _layer(
                branch.operation,
                channels[self.stride] if branch.input == FEATURES else filters,
                filters,
                multiplier,
            )
            for branch in cell
        )
        self.dropout = Dropout(DROPOUT)
        self.projection = PointwiseUnit(len(cell) * filters, filters)

    def forward(self, maps: Pyramid) -> Tensor:
        """Maps by stride -> [B, filters, H, W] at the deepest one's stride."""
        features = maps[self.stride]
        outputs: list[Tensor] = []
        for source, layer in zip(self.inputs, self.branches, strict=True):
            outputs.append(layer(features if source == FEATURES else outputs[source]))
        return cast(Tensor, self.projection(self.dropout(torch.cat(outputs, dim=1))))

    @torch.no_grad()
    def branch_norms(self) -> tuple[float, ...]:
        """Per branch, the mean absolute weight with which the projection reads it (Fig. 5b)."""
        weight = cast(nn.Conv2d, self.projection[0]).weight
        return tuple(float(part.abs().mean()) for part in weight.chunk(len(self.inputs), dim=1))


def _layer(operation: records.Operation, channels: int, filters: int, multiplier: int) -> nn.Module:
    match operation:
        case records.Convolution1x1():
            return PointwiseUnit(channels, filters)
        case records.SeparableConvolution(rate=(vertical, horizontal)):
            rate = (vertical * multiplier, horizontal * multiplier)
            return SeparableUnit(channels, filters, rate)
        case records.GridPooling(grid=grid):
            return GridPoolingUnit(channels, filters, grid)
