"""A decoder made of templates as a network (Nekrasov et al. 2020, section 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.networks.layers import GlobalPooling, interpolation, resample, separable, unit
from atrous.networks.pyramid import Offsets, Part, Pyramid, onto
from atrous.spaces.templates.plan import STRIDES, Design, Round, Side, plan_of, reads_of

GIVEN = len(STRIDES)
"""How many maps of the pool are the backbone's."""


class PeakPooling(nn.Module):
    """A 1x1 convolution with batch norm, then the maximum over 3 x 3 positions."""

    def __init__(self, channels: int, filters: int, stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, filters, 1, bias=False)
        self.norm, self.stride = nn.BatchNorm2d(filters), stride

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, filters, (H - 1) // stride + 1, (W - 1) // stride + 1]."""
        found: Tensor = self.norm(self.convolution(features))
        return functional.max_pool2d(found, 3, self.stride, 1)


class Skip(nn.Module):
    """The map itself, its channels as often as there are to be more."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, times * C, H, W]."""
        return torch.cat([features] * self.times, dim=1) if self.times > 1 else features


def operation(side: Side, repeats: int) -> nn.Module:
    """The layers of a side."""
    channels, filters, kind = side.source.channels, side.result.channels, side.operation
    if kind.pooled:
        return GlobalPooling(channels, filters)
    if kind.peak:
        return PeakPooling(channels, filters, side.stride)
    if not kind.kernel:
        return Skip(filters // channels)
    widths = (channels, *(filters,) * (repeats - 1))
    return nn.Sequential(
        *(separable(width, filters, kind.kernel, kind.rate, side.stride) for width in widths)
    )


class JoinedRound(nn.Module):
    """Two operations on two maps, joined at the stride that the round says."""

    def __init__(self, plan: Round, repeats: int, canvas: int) -> None:
        super().__init__()
        self.plan, self.canvas, width = plan, canvas, plan.result.channels
        self.operations = nn.ModuleList(operation(side, repeats) for side in plan.sides)
        self.widths = nn.ModuleList(
            nn.Identity() if side.result.channels == width else unit(side.result.channels, width)
            for side in plan.sides
        )
        if plan.concatenated:
            norm = nn.BatchNorm2d(2 * width)
            convolution = nn.Conv2d(2 * width, width, 1, bias=False)
            self.join = nn.Sequential(norm, nn.ReLU(), convolution)
        else:
            self.weights = nn.Parameter(torch.ones(2, width))

    def forward(self, sources: Sequence[Tensor], offsets: Offsets) -> Tensor:
        """Two maps -> the map that joins them."""
        one, other = (
            widen(operate(source))
            for widen, operate, source in zip(self.widths, self.operations, sources, strict=True)
        )
        stride = self.plan.result.stride
        first, second = (side.result.stride for side in self.plan.sides)
        size = (one if first == stride else other).shape[-2:]
        one, other = (
            onto(each, own, stride, size, offsets, own <= self.canvas)
            for each, own in ((one, first), (other, second))
        )
        if self.plan.concatenated:
            return cast(Tensor, self.join(torch.cat([one, other], dim=1)))
        found: Tensor = (
            self.weights[0].view(-1, 1, 1) * one + self.weights[1].view(-1, 1, 1) * other
        )
        return found


class TemplateDecoder(Part):
    """Layers on a growing pool of maps, and those that no layer reads joined at the finest of them.
    Class scores are made by a 3x3 convolution.

    Maps that layers make at strides beyond those of the backbone's maps that are read see where
    the coarsest of these does.
    """

    kernel = 3

    def __init__(
        self, design: Design, channels: Mapping[int, int], filters: int, repeats: int
    ) -> None:
        super().__init__()
        self.design, self.canvas = design, max(channels)
        self.plan = plan_of(design, channels, repeats)
        self.reads = reads_of(design, channels)
        self.stride, self.channels = self.plan.stride, filters
        self.coarsest = max(side.result.stride for side in self._sides())
        self.layers = nn.ModuleList(
            nn.ModuleList(JoinedRound(one, repeats, self.canvas) for one in rounds)
            for rounds in self.plan.layers
        )
        self.join = unit(self.plan.width, filters)

    def forward(self, maps: Pyramid) -> Tensor:
        """Maps by stride -> [B, channels, H, W] at the part's stride."""
        places = self._places()
        pool = [maps[m.stride] if m.stride in self.reads else None for m in self.plan.maps[:GIVEN]]
        for layer, rounds in zip(self.design, self.layers, strict=True):
            sources = [pool[number] for number in layer.maps]
            for one in cast(nn.ModuleList, rounds):
                sources = [sources[1], one(sources, places)]
            pool.append(sources[1])
        loose = [(cast(Tensor, pool[k]), self.plan.maps[k].stride) for k in self.plan.loose]
        size = next(each.shape[-2:] for each, stride in loose if stride == self.stride)
        found = [
            onto(each, stride, self.stride, size, places, stride <= self.canvas)
            for each, stride in loose
        ]
        joined = self.join(functional.relu(torch.cat(found, dim=1)))
        return self._in_place(cast(Tensor, joined), places[self.stride])

    def _places(self) -> dict[int, float]:
        """The offset of every map."""
        coarsest = max(self.reads)
        strides = {side.result.stride for side in self._sides()} | {coarsest}
        return {s: self.offsets.get(min(s, coarsest), 0.0) for s in strides | set(self.reads)}

    def _sides(self) -> Iterator[Side]:
        return (side for rounds in self.plan.layers for one in rounds for side in one.sides)

    def _in_place(self, maps: Tensor, offset: float) -> Tensor:
        """Maps of an offset, read where those of the part's stride are to lie."""
        shift = (self.offsets.get(self.stride, 0.0) - offset) / self.stride
        if not shift:
            return maps
        rows, columns = (
            interpolation(torch.arange(n, device=maps.device) + shift, n).to(maps.dtype)
            for n in maps.shape[-2:]
        )
        return resample(maps, rows, columns)
