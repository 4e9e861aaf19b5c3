"""A compact decoder as a network (Nekrasov et al. 2019, section 3.1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.networks.layers import GlobalPooling, separable, unit
from atrous.networks.pyramid import Part, Pyramid, onto
from atrous.spaces.fast_dense import cell as spelt
from atrous.spaces.fast_dense import space as spelling


class OperationCell(nn.Module):
    """The operations of a cell that reach its output: [B, C, H, W] -> the same shape."""

    def __init__(self, cell: spelt.Cell, filters: int, repeats: int) -> None:
        super().__init__()
        self.wiring = spelt.wiring(cell)
        slots = spelt.slots_of(cell)
        self.operations = nn.ModuleDict(
            {
                str(number): operation(spelt.OPERATIONS[slots[number][1]], filters, repeats)
                for number in self.wiring.inputs
            }
        )

    def forward(self, features: Tensor) -> Tensor:
        """The sum that the cell gives."""
        results = {spelt.INPUT: features}
        for number, terms in self.wiring.inputs.items():
            results[number] = self.operations[str(number)](total(terms, results))
        return total(self.wiring.output, results)


def operation(kind: spelt.CellOperation, filters: int, repeats: int) -> nn.Module:
    """The layers of an operation, which keep shapes."""
    if kind.pooled:
        return GlobalPooling(filters, filters)
    if kind.separable:
        layers = (separable(filters, filters, kind.kernel, kind.rate) for _ in range(repeats))
        return nn.Sequential(*layers)
    return unit(filters, filters, kind.kernel, kind.rate)


def total(terms: spelt.Terms, results: Mapping[int, Tensor]) -> Tensor:
    """The sum of results; zeros where there is none."""
    if not terms:
        return results[spelt.INPUT] * 0
    counts = Counter(terms)
    summands = [results[term] * n if n > 1 else results[term] for term, n in counts.items()]
    return sum(summands[1:], summands[0])


class AuxiliaryCell(Part):
    """The cell of a decoder on the result of a block; class scores are made as the decoder's."""

    kernel = 3

    def __init__(self, cell: spelt.Cell, filters: int, repeats: int, stride: int) -> None:
        super().__init__()
        self.reads, self.stride, self.channels = (stride,), stride, filters
        self.cell = OperationCell(cell, filters, repeats)

    def forward(self, maps: Pyramid) -> Tensor:
        """The result by its stride -> [B, channels, H, W] there."""
        return cast(Tensor, self.cell(maps[self.stride]))


class CompactDecoder(Part):
    """Adapters of the backbone's maps, blocks that join two maps each, and their loose ends joined
    at the finest of them. Class scores are made by a 3x3 convolution.

    Each block has an auxiliary cell, if one is asked for (Nekrasov et al. 2019, section 3.3).
    """

    kernel = 3

    def __init__(
        self, decoder: spelling.Design, channels: Mapping[int, int], filters: int, repeats: int
    ) -> None:
        super().__init__()
        self.decoder = decoder
        self.pool_strides = spelling.strides_of(decoder, channels)
        maps = spelling.adapted(decoder)
        self.reads = spelling.reads_of(decoder, channels)
        self.loose = tuple(len(spelling.STRIDES) + block for block in decoder.loose)
        self.stride = min(self.pool_strides[number] for number in self.loose)
        self.channels, self.repeats = filters, repeats
        self.adapters = nn.ModuleDict(
            {str(k): unit(channels[self.pool_strides[k]], filters) for k in maps}
        )
        self.cells = nn.ModuleList(
            nn.ModuleList(
                nn.Sequential(OperationCell(decoder.cell, filters, repeats), unit(filters, filters))
                for _ in connection
            )
            for connection in decoder.connections
        )
        self.join = unit(len(self.loose) * filters, filters)

    def auxiliary(self) -> list[Part]:
        """See `Supervised`."""
        strides = self.pool_strides[len(spelling.STRIDES) :]
        made = (self.decoder.cell, self.channels, self.repeats)
        return [AuxiliaryCell(*made, stride) for stride in strides]

    def forward(self, maps: Pyramid) -> Tensor:
        """Maps by stride -> [B, channels, H, W] at the part's stride."""
        return self.inside(maps)[0]

    def inside(self, maps: Pyramid) -> tuple[Tensor, list[Tensor]]:
        """See `Supervised`: the results of blocks are the maps inside."""
        pool: dict[int, Tensor] = {
            int(k): adapter(maps[self.pool_strides[int(k)]]) for k, adapter in self.adapters.items()
        }
        for number, (connection, cells) in enumerate(
            zip(self.decoder.connections, self.cells, strict=True), len(spelling.STRIDES)
        ):
            pair = zip(cast(nn.ModuleList, cells), connection, strict=True)
            one, other = (cell(pool[k]) for cell, k in pair)
            first, second = (self.pool_strides[k] for k in connection)
            fine = (one if first <= second else other).shape[-2:]
            stride = min(first, second)
            one, other = (
                onto(each, own, stride, fine, self.offsets)
                for each, own in ((one, first), (other, second))
            )
            pool[number] = one + other
        finest = next(pool[k] for k in self.loose if self.pool_strides[k] == self.stride)
        joined = torch.cat(
            [
                onto(pool[k], self.pool_strides[k], self.stride, finest.shape[-2:], self.offsets)
                for k in self.loose
            ],
            dim=1,
        )
        results = [pool[k] for k in range(len(spelling.STRIDES), len(self.pool_strides))]
        return self.join(functional.relu(joined)), results
