"""The layers a dense prediction cell is made of. Shapes: B images, C channels, H x W positions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from atrous.core.architecture import Cost
from atrous.networks.fast_cpu import byte_dropout, phased_depthwise, pointwise

EPSILON = 1e-5


class PointwiseConvolution(nn.Conv2d):
    """A 1x1 convolution without bias: [B, C, H, W] -> [B, filters, H, W]."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__(channels, filters, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """As `Conv2d`; by the faster road on a CPU."""
        if _is_plain(features):
            return super().forward(features)
        return pointwise(features, self.weight)


class DepthwiseConvolution(nn.Conv2d):
    """A convolution of each channel on its own. Its kernels are held back by weight decay only
    where the network that it is of has it so: `decays`."""

    decays = False


class AtrousDepthwise(DepthwiseConvolution):
    """A depthwise k x k convolution at an atrous rate (vertical, horizontal), zero padded.

    Without a stride, torch 2.13 is slow at it on a CPU, and its gradient by the weights is wrong in
    bfloat16, by more than its own size, where channels come last.
    """

    def __init__(
        self, channels: int, rate: tuple[int, int], kernel: int = 3, stride: int = 1
    ) -> None:
        reach = kernel // 2
        super().__init__(
            channels,
            channels,
            kernel,
            stride,
            padding=(reach * rate[0], reach * rate[1]),
            dilation=rate,
            groups=channels,
            bias=False,
        )

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, (H - 1) // stride + 1, (W - 1) // stride + 1]; as `Conv2d`, by the
        faster road on a CPU."""
        if _is_plain(features) or self.dilation == (1, 1) or self.stride != (1, 1):
            return super().forward(features)
        return phased_depthwise(features, self.weight, (self.dilation[0], self.dilation[1]))


def dilates_depthwise(network: nn.Module) -> bool:
    """Whether a network has depthwise convolutions at an atrous rate that torch computes itself."""
    return any(
        isinstance(module, nn.Conv2d) and module.groups > 1 and max(module.dilation) > 1
        for module in network.modules()
        if not isinstance(module, AtrousDepthwise)
    )


class PointwiseUnit(nn.Sequential):
    """1x1 convolution, batch norm, ReLU: [B, C, H, W] -> [B, filters, H, W]."""

    def __init__(self, channels: int, filters: int) -> None:
        convolution = PointwiseConvolution(channels, filters)
        nn.init.xavier_uniform_(convolution.weight)
        super().__init__(convolution, normalise(filters), nn.ReLU(inplace=True))


class SeparableUnit(nn.Sequential):
    """Depthwise 3x3 at an atrous rate, then 1x1, each with batch norm and ReLU.

    `rate` is (vertical, horizontal), in positions of the feature map. Zero padding keeps H x W.
    """

    def __init__(self, channels: int, filters: int, rate: tuple[int, int]) -> None:
        depthwise = AtrousDepthwise(channels, rate)
        pointwise = PointwiseConvolution(channels, filters)
        nn.init.trunc_normal_(depthwise.weight, std=0.33, a=-0.66, b=0.66)
        nn.init.trunc_normal_(pointwise.weight, std=0.06, a=-0.12, b=0.12)
        super().__init__(
            depthwise,
            normalise(channels),
            nn.ReLU(inplace=True),
            pointwise,
            normalise(filters),
            nn.ReLU(inplace=True),
        )


def pass_cost(network: nn.Module, *inputs: Any) -> Cost:
    """All parameters, and the multiply-adds of convolutions and products in a pass on `inputs`,
    none of which needs storage (device meta)."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(*inputs)
    return Cost(parameter_count(network), counter.get_total_flops() // 2)


def parameter_count(network: nn.Module) -> int:
    """How many numbers of a network are learnt."""
    return sum(parameter.numel() for parameter in network.parameters())


def unit(channels: int, filters: int, kernel: int = 1, rate: int = 1) -> nn.Sequential:
    """A convolution that keeps H x W, batch norm, ReLU: [B, C, H, W] -> [B, filters, H, W]."""
    padding = rate * (kernel // 2)
    convolution = nn.Conv2d(channels, filters, kernel, padding=padding, dilation=rate, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(filters), nn.ReLU())


def separable(
    channels: int, filters: int, kernel: int, rate: int = 1, stride: int = 1
) -> nn.Sequential:
    """A depthwise and a pointwise convolution with nothing between, batch norm, ReLU.

    [B, C, H, W] -> [B, filters, (H - 1) // stride + 1, (W - 1) // stride + 1].
    """
    depthwise = AtrousDepthwise(channels, (rate, rate), kernel, stride)
    return nn.Sequential(depthwise, *unit(channels, filters))


class GlobalPooling(nn.Module):
    """The mean over a map, through a unit, spread over the map again."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.unit = unit(channels, filters)

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, filters, H, W]."""
        means: Tensor = self.unit(features.mean((2, 3), keepdim=True))
        return means.expand(-1, -1, *features.shape[2:])


class GridPoolingUnit(nn.Module):
    """The mean of each cell of a grid, a 1x1 convolution, and bilinear interpolation back to H x W.

    As Chen et al. 2018, section 3.2, describe it. The reference implementation slides a window of
    the grid cell's size with stride 1 instead, which depends on the nominal crop size, and
    interpolates with aligned corners; means belong to the middles of their grid cells.
    """

    def __init__(self, channels: int, filters: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid
        self.convolution = PointwiseUnit(channels, filters)

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, filters, H, W]."""
        size = (features.shape[-2], features.shape[-1])
        pooled = self.convolution(grid_means(features, self.grid))
        return spread_cells(pooled, size)


def normalise(channels: int) -> nn.BatchNorm2d:
    """Batch norm as in the reference implementation, but for the decay, which the trainer sets."""
    return nn.BatchNorm2d(channels, eps=EPSILON)


def grid_means(features: Tensor, grid: tuple[int, int]) -> Tensor:
    """The mean over each of (rows, columns) grid cells: [B, C, H, W] -> [B, C, rows, columns]."""
    height, width = features.shape[-2:]
    rows = averaging(grid[0], height, features)
    columns = averaging(grid[1], width, features)
    return _by_rows_and_columns(features, rows, columns)


def spread_cells(means: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear interpolation between the centres of grid cells: [B, C, rows, columns] -> size."""
    rows, columns = (
        interpolation((torch.arange(n, device=means.device) + 0.5) * (cells / n) - 0.5, cells).to(
            means.dtype
        )
        for n, cells in zip(size, means.shape[2:], strict=True)
    )
    return _by_rows_and_columns(means, rows, columns)


def _by_rows_and_columns(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """rows [h, H] and columns [w, W] applied to [B, C, H, W]: [B, C, h, w], channels last."""
    bands = rows @ maps.permute(0, 2, 3, 1).flatten(2)
    result: Tensor = columns @ bands.view(*bands.shape[:2], maps.shape[-1], -1)
    return result.permute(0, 3, 1, 2)


def averaging(cells: int, positions: int, like: Tensor) -> Tensor:
    """The matrix [cells, positions] whose rows average the positions of each cell.

    Cell g covers floor(g * positions / cells) to ceil((g + 1) * positions / cells), as adaptive
    pooling does; made of elementary operations, so that it exports for any size.
    """
    cell = torch.arange(cells, device=like.device).unsqueeze(1)
    position = torch.arange(positions, device=like.device).unsqueeze(0)
    first = cell * positions // cells
    last = ((cell + 1) * positions + cells - 1) // cells
    inside = ((position >= first) & (position < last)).to(like.dtype)
    return inside / inside.sum(dim=1, keepdim=True)


class Dropout(nn.Dropout):
    """As `nn.Dropout`, by the faster road on a CPU."""

    def forward(self, features: Tensor) -> Tensor:
        """Any shape to the same shape."""
        if _is_plain(features) or not self.training:
            return super().forward(features)
        return byte_dropout(features, self.p)


def _is_plain(features: Tensor) -> bool:
    """Whether torch's own layers serve best: on an accelerator, in an exported graph, and for
    tensors without data, as shape inference uses them."""
    return (
        features.device.type != "cpu"
        or type(features) is not Tensor
        or torch.compiler.is_compiling()
    )


class DropPath(nn.Module):
    """In training, makes the maps of each image zero with a `probability`, and the others larger,
    so that the mean stays.

    `depth` in (0, 1] is the layer's share of the network's largest probability. A new one drops
    nothing until `set_drop_path` says so.
    """

    def __init__(self, depth: float) -> None:
        super().__init__()
        self.depth, self.probability = depth, 0.0

    def forward(self, maps: Tensor) -> Tensor:
        """[B, C, H, W] -> the same shape."""
        if not (self.training and self.probability):
            return maps
        keep = 1 - self.probability
        kept = torch.rand(len(maps), 1, 1, 1, device=maps.device) < keep
        return maps * (kept / keep).to(maps.dtype)


def set_drop_path(network: nn.Module, largest: float, progress: float) -> None:
    """Layer l of L drops with probability progress * (l + 1) / L * `largest`, as in the released
    network; `progress` is the share of the training that is over."""
    for module in network.modules():
        if isinstance(module, DropPath):
            module.probability = min(1.0, progress) * module.depth * largest


def interpolation(coordinates: Tensor, size: int) -> Tensor:
    """The matrix [N, size] that reads a line of `size` positions at N real coordinates.

    Coordinates count positions from 0; those beyond the last position read the last.
    """
    coordinates = coordinates.clamp(0, size - 1)
    positions = torch.arange(size, dtype=coordinates.dtype, device=coordinates.device)
    return (1 - (coordinates.unsqueeze(1) - positions).abs()).clamp_min(0)


def resample(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[..., H, W] maps read at rows [h, H] and columns [w, W]: [..., h, w]."""
    return rows @ maps @ columns.T
