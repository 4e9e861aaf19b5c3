"""The trunk of a network that Auto-DeepLab has decoded (Liu et al. 2019, sections 3 and 4.2)."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from atrous.networks.network import Encoder
from atrous.spaces.auto_deeplab.cell import RepeatedCell
from atrous.spaces.auto_deeplab.layer import Layer
from atrous.spaces.auto_deeplab.operations import cell_norm
from atrous.spaces.auto_deeplab.trellis import STRIDES, Path
from atrous.spaces.auto_deeplab.widths import (
    MEAN,
    STD,
    LayerPlan,
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
            _layer(cell, plan, number / len(path))
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


def _layer(cell: RepeatedCell, plan: LayerPlan, depth: float) -> Layer:
    return Layer(
        cell, plan.x_channels, plan.y_channels, plan.filters, plan.move, plan.y_fits, depth
    )


def _convolution(channels: int, filters: int, stride: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(channels, filters, 3, stride, 1, bias=False), cell_norm(filters)
