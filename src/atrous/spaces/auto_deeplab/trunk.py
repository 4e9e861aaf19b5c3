"""The trunk of a network that Auto-DeepLab has decoded (Liu et al. 2019, sections 3 and 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.networks.layers import DepthwiseConvolution, DropPath, PointwiseConvolution
from atrous.networks.network import Encoder
from atrous.spaces.auto_deeplab.cell import GIVEN, Edge, Operation, RepeatedCell
from atrous.spaces.auto_deeplab.trellis import (
    MEAN,
    STD,
    STRIDES,
    LayerPlan,
    Path,
    layer_plans,
    stem_widths,
    trunk_channels,
)


class Stem(nn.Module):
    """Three 3x3 convolutions, of strides 2, 1 and 2, with batch norm, ReLU between them."""

    def __init__(self, widths: tuple[int, int, int]) -> None:
        super().__init__()
        first, second, third = widths
        self.finer = nn.Sequential(
            *_convolution(3, first, 2), nn.ReLU(), *_convolution(first, second, 1)
        )
        self.coarser = nn.Sequential(nn.ReLU(), *_convolution(second, third, 2))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images [B, 3, H, W] -> maps at stride 2 and at stride 4, before any ReLU."""
        finer = self.finer(images)
        return finer, self.coarser(finer)


class Trunk(Encoder):
    """Stem and layers along a path: from images to the maps at stride 4 and at the last stride.

    The map at stride 4 is that of the last layer there (the third, on the published path), or the
    stem's where no layer is at stride 4. The last layer's output passes a ReLU, as in the released
    network. Images are normalised to [-1, 1].
    """

    def __init__(self, path: Path, cell: RepeatedCell, filters: int) -> None:
        super().__init__()
        self.name = f"auto_deeplab F={filters}"
        self.canvas = STRIDES[-1]
        self.output_stride = STRIDES[path[-1]]
        self.channels = trunk_channels(path, len(cell), filters)
        self.mean, self.std = MEAN, STD
        self.stem = Stem(stem_widths(filters))
        self.layers = nn.ModuleList(
            Layer(cell, plan, number / len(path))
            for number, plan in enumerate(layer_plans(path, len(cell), filters), 1)
        )
        self.low = max((n for n, level in enumerate(path) if level == 0), default=-1)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """Images [B, 3, H, W] of k * 32 + 1 pixels on each axis -> a map by stride."""
        y, x = self.stem(images)
        low = x
        for number, layer in enumerate(self.layers):
            y, x = x, cast(Tensor, layer(x, y))
            low = x if number == self.low else low
        return {STRIDES[0]: low, self.output_stride: functional.relu(x)}


def _convolution(channels: int, filters: int, stride: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(channels, filters, 3, stride, 1, bias=False), cell_norm(filters)


class Layer(nn.Module):
    """The cell on the outputs x and y of the two layers before, as the released network has it.

    An up step (`move` -1) first doubles x; y is then resized to x, unless it is known that it
    `y_fits`. State 0 is x after a projection to `filters` channels; state 1 is y, projected if it
    has others. In a down step (`move` +1) the operations that read these two have stride 2. `depth`
    in (0, 1] is how deep in the network the layer is, which scheduled drop path asks for; it spares
    skips.
    """

    def __init__(self, cell: RepeatedCell, plan: LayerPlan, depth: float = 1.0) -> None:
        super().__init__()
        self.move, self.y_fits, filters = plan.move, plan.y_fits, plan.filters
        self.previous = Projection(plan.x_channels, filters)
        same = plan.y_channels == filters
        self.before = nn.Identity() if same else Projection(plan.y_channels, filters)
        self.edges = [edge for block in cell for edge in (block.first, block.second)]
        self.operations = nn.ModuleList(
            make_operation(edge.operation, filters, _stride(edge, plan.move)) for edge in self.edges
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
        """Returns what an edge makes of the state that it reads."""
        edge = self.edges[number]
        result: Tensor = self.operations[number](states[edge.state])
        return result if edge.operation is Operation.SKIP else cast(Tensor, self.drop(result))


def _stride(edge: Edge, move: int) -> int:
    return 2 if move > 0 and edge.state < GIVEN else 1


EPSILON = 1e-3
RATE = 2
"""The atrous rate of a cell's convolutions at stride 1."""


def make_operation(operation: Operation, filters: int, stride: int) -> nn.Module:
    """An operation from [B, filters, H, W] to as many channels."""
    match operation:
        case Operation.SEPARABLE_3:
            return SeparableTwice(filters, 3, stride)
        case Operation.SEPARABLE_5:
            return SeparableTwice(filters, 5, stride)
        case Operation.ATROUS_3:
            return AtrousConvolution(filters, 3, stride)
        case Operation.ATROUS_5:
            return AtrousConvolution(filters, 5, stride)
        case Operation.AVERAGE:
            return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
        case Operation.MAXIMUM:
            return nn.MaxPool2d(3, stride, padding=1)
        case Operation.SKIP:
            return nn.Identity() if stride == 1 else StridedSkip(filters)


class SpatialConvolution(DepthwiseConvolution):
    """The depthwise part of a separable convolution, which decays as all convolutions of the
    released network do.

    First weights are uniform within 1 / (kernel * sqrt(channels)): there, the variance is scaled by
    the fan-in of all channels, though a kernel reads one.
    """

    decays = True

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(
            channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False
        )

    def reset_parameters(self) -> None:
        """Draws the first weights."""
        bound = (self.in_channels * self.kernel_size[0] * self.kernel_size[1]) ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)


class SeparableTwice(nn.Sequential):
    """ReLU, depthwise kernel x kernel, 1x1, batch norm; then the same again at stride 1."""

    def __init__(self, filters: int, kernel: int, stride: int) -> None:
        super().__init__(*_separable(filters, kernel, stride), *_separable(filters, kernel, 1))


class AtrousConvolution(nn.Module):
    """ReLU, one dense kernel x kernel convolution at rate 2, batch norm.

    At stride 2 the map is halved first, bilinearly with corners on corners, and the rate is 1.
    """

    def __init__(self, filters: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.stride, rate = stride, RATE if stride == 1 else 1
        self.convolution = nn.Conv2d(
            filters, filters, kernel, padding=kernel // 2 * rate, dilation=rate, bias=False
        )
        self.norm = cell_norm(filters)

    def forward(self, maps: Tensor) -> Tensor:
        """[B, C, H, W] -> the same, or half the positions."""
        maps = functional.relu(maps)
        if self.stride == 2:
            height, width = maps.shape[-2:]
            maps = resized(maps, ((height + 1) // 2, (width + 1) // 2))
        normed: Tensor = self.norm(self.convolution(maps))
        return normed


class StridedSkip(nn.Sequential):
    """ReLU, 1x1 convolution at stride 2, batch norm: what a skip is where it has to halve."""

    def __init__(self, filters: int) -> None:
        convolution = nn.Conv2d(filters, filters, 1, stride=2, bias=False)
        super().__init__(nn.ReLU(), convolution, cell_norm(filters))


class Projection(nn.Sequential):
    """ReLU, 1x1 convolution, batch norm: [B, channels, H, W] -> [B, filters, H, W]."""

    def __init__(self, channels: int, filters: int) -> None:
        convolution = PointwiseConvolution(channels, filters)
        super().__init__(nn.ReLU(), convolution, cell_norm(filters))


def cell_norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm as in the released final network, but for the decay, which the trainer sets."""
    return nn.BatchNorm2d(channels, eps=EPSILON)


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear interpolation to `size` (H, W), corners on corners."""
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=True)


def doubled(maps: Tensor) -> Tensor:
    """n positions of each axis become 2n - 1: one between each two."""
    return resized(maps, (2 * maps.shape[-2] - 1, 2 * maps.shape[-1] - 1))


def _separable(filters: int, kernel: int, stride: int) -> tuple[nn.Module, ...]:
    depthwise = SpatialConvolution(filters, kernel, stride)
    pointwise = PointwiseConvolution(filters, filters)
    return nn.ReLU(), depthwise, pointwise, cell_norm(filters)
