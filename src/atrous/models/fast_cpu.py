"""The same arithmetic as torch's layers, arranged so that a CPU does it fast.

torch 2.13 runs a dilated depthwise convolution on a CPU 5 to 30 times slower than an undilated one,
a 1x1 convolution on one thread by unfolding, and draws dropout masks one number an element. In a
cell of small feature maps these cost more than the arithmetic itself. All functions take and give
[B, C, H, W] tensors, and are fastest where memory is laid out channels last.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def pointwise(features: Tensor, weight: Tensor) -> Tensor:
    """A 1x1 convolution as one matrix product; `weight` is [filters, C, 1, 1]."""
    return functional.linear(features.permute(0, 2, 3, 1), weight.flatten(1)).permute(0, 3, 1, 2)


def phased_depthwise(features: Tensor, weight: Tensor, rate: tuple[int, int]) -> Tensor:
    """A zero-padded depthwise 3x3 convolution at an atrous rate, by an undilated one.

    Positions whose coordinates agree modulo the rate see each other alone: they form rate[0] *
    rate[1] small maps, stacked here above one another with a row of zeros between, convolved, and
    put back. `weight` is [C, 1, 3, 3].
    """
    batch, channels, height, width = features.shape
    rows, columns = -(-height // rate[0]), -(-width // rate[1])
    below, right = (rows + 1) * rate[0] - height, columns * rate[1] - width
    maps = functional.pad(features.permute(0, 2, 3, 1), (0, 0, 0, right, 0, below))
    maps = maps.reshape(batch, rows + 1, rate[0], columns, rate[1], channels)
    stacked = maps.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, columns, channels)
    stacked = functional.conv2d(
        stacked.permute(0, 3, 1, 2), weight, padding=1, groups=channels
    ).permute(0, 2, 3, 1)
    maps = stacked.reshape(batch, rate[0], rate[1], rows + 1, columns, channels)[:, :, :, :rows]
    maps = maps.permute(0, 3, 1, 4, 2, 5).reshape(batch, rows * rate[0], -1, channels)
    return maps[:, :height, :width].contiguous().permute(0, 3, 1, 2)


def byte_dropout(features: Tensor, probability: float) -> Tensor:
    """Dropout whose mask takes one random byte an element: the probability is a 256th."""
    dropped = round(256 * probability)
    draws = torch.empty(-(-features.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
    kept = draws.view(torch.uint8)[: features.numel()] >= dropped
    mask = kept.to(features.dtype).mul_(256 / (256 - dropped))
    return features * mask.as_strided(features.shape, features.stride())
