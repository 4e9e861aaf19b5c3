"""The same arithmetic as torch's layers, arranged so that a CPU does it fast.

torch 2.13 runs a dilated depthwise convolution on a CPU 5 to 30 times slower than an undilated one,
a 1x1 convolution on one thread by unfolding, and draws dropout masks one number an element. In a
cell of small feature maps these cost more than the arithmetic itself. All functions take and give
[B, C, H, W] tensors, and are fastest where memory is laid out channels last.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def pointwise(features: Tensor, weight: Tensor) -> Tensor:
    """A 1x1 convolution as one matrix product; `weight` is [filters, C, 1, 1]."""
    return functional.linear(features.permute(0, 2, 3, 1), weight.flatten(1)).permute(0, 3, 1, 2)


def phased_depthwise(features: Tensor, weight: Tensor, rate: tuple[int, int]) -> Tensor:
    """A zero-padded depthwise convolution at an atrous rate, by an undilated one.

    Positions whose coordinates agree modulo the rate see each other alone: they form rate[0] *
    rate[1] small maps, stacked here above one another with rows of zeros between, convolved, and
    put back. `weight` is [C, 1, k, k], k odd.
    """
    batch, channels, height, width = features.shape
    reach = weight.shape[-1] // 2
    phases = _phases(batch, height, width, rate, reach)
    rows = features.permute(0, 2, 3, 1).reshape(-1, channels)
    stacked = _put(rows, phases.places, phases.count).view(batch, -1, phases.columns, channels)
    convolved = functional.conv2d(
        stacked.permute(0, 3, 1, 2), weight, padding=reach, groups=channels
    ).permute(0, 2, 3, 1)
    taken = _take(convolved.reshape(-1, channels), phases.places)
    return taken.view(batch, height, width, channels).permute(0, 3, 1, 2)


def depthwise_5x5_gradient(gradient: Tensor, maps: Tensor, stride: int = 1) -> Tensor:
    """The gradient of the weights [C, 1, 5, 5] of a depthwise convolution, padded with zeros, from
    that of its result: by two 5x3 ones, the left and the right of the kernel.

    torch 2.13 takes ten times as long for a kernel that is wider than three.
    """
    left, right = (
        _depthwise_gradient(gradient, functional.pad(maps, sides), stride)
        for sides in ((2, 0), (0, 2))
    )
    return torch.cat([left[..., :2], right], dim=3)


def _depthwise_gradient(gradient: Tensor, maps: Tensor, stride: int) -> Tensor:
    """Of the weights [C, 1, 5, 3]; zeros are added above and below alone."""
    channels = maps.shape[1]
    like = maps.new_empty(channels, 1, 5, 3)
    weight: Tensor = torch.ops.aten.convolution_backward(
        gradient,
        maps,
        like,
        None,
        [stride, stride],
        [2, 0],
        [1, 1],
        False,
        [0, 0],
        channels,
        [False, True, False],
    )[1]
    return weight


@dataclass(frozen=True)
class _Phases:
    """Where each of B * H * W positions goes among the `count` positions of the stacked maps,
    which are `columns` wide."""

    places: Tensor
    count: int
    columns: int


@lru_cache(maxsize=256)
@torch.inference_mode(False)
def _phases(batch: int, height: int, width: int, rate: tuple[int, int], reach: int) -> _Phases:
    # So many rows more than the largest phase has: they stay zero, and are what a map sees beyond
    # its edge instead of the map below it. Columns need none: the convolution pads the sides.
    rows, columns = -(-height // rate[0]) + reach, -(-width // rate[1])
    image, y, x = (torch.arange(n, device="cpu") for n in (batch, height, width))
    image, y = image.view(-1, 1, 1), y.view(-1, 1)
    phase = (image * rate[0] + y % rate[0]) * rate[1] + x % rate[1]
    places = (phase * rows + y // rate[0]) * columns + x // rate[1]
    return _Phases(places.flatten(), batch * rate[0] * rate[1] * rows * columns, columns)


class _Put(torch.autograd.Function):
    """Rows [N, C] to their places, all different, among `count` rows, the others zero."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, places: Tensor, count: int) -> Tensor:
        ctx.save_for_backward(places)
        return rows.new_zeros(count, rows.shape[1]).index_copy_(0, places, rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (places,) = ctx.saved_tensors
        return gradients[0].index_select(0, places), None, None


class _Take(torch.autograd.Function):
    """The rows at places that are all different: the inverse of `_Put`."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(places)
        ctx.count = rows.shape[0]
        return rows.index_select(0, places)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        zeros = gradients[0].new_zeros(ctx.count, gradients[0].shape[1])
        return zeros.index_copy_(0, places, gradients[0]), None


def _put(rows: Tensor, places: Tensor, count: int) -> Tensor:
    moved: Tensor = _Put.apply(rows, places, count)  # type: ignore[no-untyped-call]
    return moved


def _take(rows: Tensor, places: Tensor) -> Tensor:
    taken: Tensor = _Take.apply(rows, places)  # type: ignore[no-untyped-call]
    return taken


def byte_dropout(features: Tensor, probability: float) -> Tensor:
    """Dropout whose mask takes one random byte an element: the probability is a 256th."""
    # A generator gives 8 bytes a draw: a mask of bytes costs an eighth of one of floats.
    dropped = round(256 * probability)
    if dropped == 256:
        return features * 0
    draws = torch.empty(-(-features.numel() // 8), dtype=torch.int64, device="cpu")
    draws.random_(-(2**63), None)
    kept = draws.view(torch.uint8)[: features.numel()] >= dropped
    mask = kept.to(features.dtype).mul_(256 / (256 - dropped))
    # The mask is laid out as the features are, so that neither is copied to be multiplied.
    dense = torch.empty_like(features, device="meta")
    return features * mask.as_strided(features.shape, dense.stride())
