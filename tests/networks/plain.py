"""The arithmetic of a repeated cell, written with numpy alone, from the weights of its modules.

Shapes: B images, C channels, H x W positions.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from atrous.spaces.auto_deeplab.cell import Operation, RepeatedCell
from atrous.spaces.auto_deeplab.trunk import Layer

Array = NDArray[np.float64]


def convolved(maps: Array, convolution: nn.Module) -> Array:
    """The sum over a kernel's taps, of the map shifted; zeros are around it."""
    assert isinstance(convolution, nn.Conv2d)
    assert convolution.bias is None
    weight = array(convolution.weight)
    kernel, stride, rate = weight.shape[-1], convolution.stride[0], convolution.dilation[0]
    if convolution.groups > 1:
        weight = np.stack([np.diag(weight[:, 0, i, j]) for i, j in np.ndindex(kernel, kernel)], -1)
        weight = weight.reshape(*weight.shape[:2], kernel, kernel)
    margin = kernel // 2 * rate
    padded = np.pad(maps, ((0, 0), (0, 0), (margin, margin), (margin, margin)))
    height, width = maps.shape[-2:]
    shifted = (
        np.einsum(
            "bchw,dc->bdhw",
            padded[..., i * rate :, j * rate :][..., :height, :width],
            weight[:, :, i, j],
        )
        for i, j in np.ndindex(kernel, kernel)
    )
    return cast(Array, sum(shifted)[..., ::stride, ::stride])


def normed(maps: Array, norm: nn.Module) -> Array:
    """Batch norm with the running statistics."""
    assert isinstance(norm, nn.BatchNorm2d)
    mean, variance, scale, shift = (
        array(cast(Tensor, t)).reshape(-1, 1, 1)
        for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return (maps - mean) / np.sqrt(variance + 1e-3) * scale + shift


def interpolated(maps: Array, size: tuple[int, int]) -> Array:
    """Linear interpolation along each axis, first position on first, last on last."""
    for axis, target in zip((2, 3), size, strict=True):
        own = maps.shape[axis]
        places = np.arange(target) * ((own - 1) / max(target - 1, 1))
        lines = np.moveaxis(maps, axis, -1).reshape(-1, own)
        read = np.array([np.interp(places, np.arange(own), line) for line in lines])
        kept = [length for number, length in enumerate(maps.shape) if number != axis]
        maps = np.moveaxis(read.reshape(*kept, target), -1, axis)
    return maps


def pooled(maps: Array, stride: int, mean: bool) -> Array:
    """Mean or maximum of the 3x3 neighbours that there are."""
    padded = np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=np.nan)
    height, width = maps.shape[-2:]
    around = [padded[..., i:, j:][..., :height, :width] for i, j in np.ndindex(3, 3)]
    result = np.nanmean(around, axis=0) if mean else np.nanmax(around, axis=0)
    return cast(Array, result[..., ::stride, ::stride])


def applied(operation: Operation, module: nn.Module, maps: Array, stride: int) -> Array:
    """What an operation makes of a map."""
    parts: list[Any] = list(module.modules())
    match operation:
        case Operation.SEPARABLE_3 | Operation.SEPARABLE_5:
            convolutions = [part for part in parts if isinstance(part, nn.Conv2d)]
            norms = [part for part in parts if isinstance(part, nn.BatchNorm2d)]
            for number, norm in enumerate(norms):
                deep = convolved(np.maximum(maps, 0), convolutions[2 * number])
                maps = normed(convolved(deep, convolutions[2 * number + 1]), norm)
            return maps
        case Operation.ATROUS_3 | Operation.ATROUS_5:
            maps = np.maximum(maps, 0)
            if stride == 2:
                height, width = maps.shape[-2:]
                maps = interpolated(maps, ((height + 1) // 2, (width + 1) // 2))
            return normed(convolved(maps, parts[1]), parts[2])
        case Operation.AVERAGE | Operation.MAXIMUM:
            return pooled(maps, stride, operation is Operation.AVERAGE)
        case Operation.SKIP:
            return maps if stride == 1 else projected(module, maps)


def projected(module: nn.Module, maps: Array) -> Array:
    """ReLU, 1x1 convolution, batch norm."""
    _, _, convolution, norm = module.modules()
    return normed(convolved(np.maximum(maps, 0), convolution), norm)


def layer_output(layer: Layer, cell: RepeatedCell, move: int, x: Array, y: Array) -> Array:
    """What a layer makes of the outputs of the two before."""
    if move < 0:
        x = interpolated(x, (2 * x.shape[2] - 1, 2 * x.shape[3] - 1))
    y = interpolated(y, (x.shape[2], x.shape[3]))
    before = y if isinstance(layer.before, nn.Identity) else projected(layer.before, y)
    states, modules = [projected(layer.previous, x), before], iter(layer.operations)
    for block in cell:
        first, second = (
            applied(
                edge.operation,
                next(modules),
                states[edge.state],
                2 if move == 1 and edge.state in (0, 1) else 1,
            )
            for edge in (block.first, block.second)
        )
        states.append(first + second)
    return np.concatenate(states[2:], axis=1)


def array(tensor: Tensor) -> Array:
    """A tensor in double precision."""
    return tensor.detach().double().numpy()


def unsettled(module: nn.Module) -> nn.Module:
    """The module in double precision, its batch norms with statistics, scales and shifts that
    matter, for evaluation."""
    draw = torch.Generator().manual_seed(0)
    for norm in (part for part in module.modules() if isinstance(part, nn.BatchNorm2d)):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        for tensor in (norm.running_mean, norm.bias.data):
            tensor.normal_(generator=draw)
        for tensor in (norm.running_var, norm.weight.data):
            tensor.uniform_(0.5, 2, generator=draw)
    return module.double().eval()
