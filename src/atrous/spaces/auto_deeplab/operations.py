"""The operations of Auto-DeepLab's repeated cell (Liu et al. 2019, section 3.1), as the released
final network defines them. Shapes: B images, C channels, H x W positions.

Every operation keeps C; at stride 2 it gives (H + 1) // 2 x (W + 1) // 2 positions. Convolutions
have no bias. Their first weights are uniform with variance scaling 1/3 by fan-in, which is how
torch draws them by itself.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from atrous.networks.layers import PointwiseConvolution
from atrous.spaces.auto_deeplab.cell import Operation

EPSILON = 1e-3
RATE = 2
"""The atrous rate of a cell's convolutions at stride 1."""


def make_operation(
    operation: Operation, filters: int, stride: int, affine: bool = True
) -> nn.Module:
    """An operation from [B, filters, H, W] to as many channels; `affine`: batch norms have scales
    and shifts."""
    match operation:
        case Operation.SEPARABLE_3:
            return SeparableTwice(filters, 3, stride, affine)
        case Operation.SEPARABLE_5:
            return SeparableTwice(filters, 5, stride, affine)
        case Operation.ATROUS_3:
            return AtrousConvolution(filters, 3, stride, affine)
        case Operation.ATROUS_5:
            return AtrousConvolution(filters, 5, stride, affine)
        case Operation.AVERAGE:
            return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
        case Operation.MAXIMUM:
            return nn.MaxPool2d(3, stride, padding=1)
        case Operation.SKIP:
            return nn.Identity() if stride == 1 else StridedSkip(filters, affine)


class SeparableTwice(nn.Sequential):
    """ReLU, depthwise kernel x kernel, 1x1, batch norm; then the same again at stride 1."""

    def __init__(self, filters: int, kernel: int, stride: int, affine: bool = True) -> None:
        super().__init__(
            *_separable(filters, kernel, stride, affine), *_separable(filters, kernel, 1, affine)
        )


class AtrousConvolution(nn.Module):
    """ReLU, one dense kernel x kernel convolution at rate 2, batch norm.

    At stride 2 the map is halved first, bilinearly with corners on corners, and the rate is 1.
    """

    def __init__(self, filters: int, kernel: int, stride: int, affine: bool = True) -> None:
        super().__init__()
        self.stride, rate = stride, RATE if stride == 1 else 1
        self.convolution = nn.Conv2d(
            filters, filters, kernel, padding=kernel // 2 * rate, dilation=rate, bias=False
        )
        self.norm = cell_norm(filters, affine)

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

    def __init__(self, filters: int, affine: bool = True) -> None:
        convolution = nn.Conv2d(filters, filters, 1, stride=2, bias=False)
        super().__init__(nn.ReLU(), convolution, cell_norm(filters, affine))


class Projection(nn.Sequential):
    """ReLU, 1x1 convolution, batch norm: [B, channels, H, W] -> [B, filters, H, W]."""

    def __init__(self, channels: int, filters: int, affine: bool = True) -> None:
        convolution = PointwiseConvolution(channels, filters)
        super().__init__(nn.ReLU(), convolution, cell_norm(filters, affine))


def cell_norm(channels: int, affine: bool = True) -> nn.BatchNorm2d:
    """Batch norm as in the released final network, but for the decay, which the trainer sets."""
    return nn.BatchNorm2d(channels, eps=EPSILON, affine=affine)


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear interpolation to `size` (H, W), corners on corners."""
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=True)


def doubled(maps: Tensor) -> Tensor:
    """n positions of each axis become 2n - 1: one between each two."""
    return resized(maps, (2 * maps.shape[-2] - 1, 2 * maps.shape[-1] - 1))


def _separable(filters: int, kernel: int, stride: int, affine: bool) -> tuple[nn.Module, ...]:
    depthwise = nn.Conv2d(filters, filters, kernel, stride, kernel // 2, groups=filters, bias=False)
    pointwise = PointwiseConvolution(filters, filters)
    return nn.ReLU(), depthwise, pointwise, cell_norm(filters, affine)
