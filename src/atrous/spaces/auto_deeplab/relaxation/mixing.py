"""The same maps, weighed differently for each of those who read them.

Shapes: B images, C channels, H x W positions, k readers; results [B, k * C, H, W] or channels last,
reader by reader.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from atrous.spaces.auto_deeplab.relaxation.separable import FEW


def mixed(base: Tensor | None, maps: Sequence[Tensor], gains: Sequence[Tensor]) -> Tensor:
    """`base`, if there is any, and the sum of `maps` [B, C, H, W], each times its `gains` [k * C].

    `base` is the result of nothing that needs it for a gradient.
    """
    channels = maps[0].shape[1]
    last = [part.permute(0, 2, 3, 1) for part in maps]
    own = [gain.to(maps[0].dtype).view(-1, channels) for gain in gains]
    total = None if base is None else base.permute(0, 2, 3, 1)
    result = (_product if channels < FEW else _in_turn)(total, last, own)
    return result.permute(0, 3, 1, 2)


def _product(base: Tensor | None, maps: Sequence[Tensor], gains: Sequence[Tensor]) -> Tensor:
    """[B, H, W, k * C] by one matrix: a diagonal block for each reader and each of the maps."""
    readers, channels = gains[0].shape
    diagonal = torch.eye(channels, dtype=gains[0].dtype, device=gains[0].device)
    blocks = torch.stack(list(gains), dim=2).unsqueeze(3) * diagonal[:, None, :]
    weights = blocks.view(readers * channels, len(maps) * channels)
    product = functional.linear(torch.cat(list(maps), dim=3), weights)
    return product if base is None else product.add_(base)


def _in_turn(base: Tensor | None, maps: Sequence[Tensor], gains: Sequence[Tensor]) -> Tensor:
    """[B, H, W, k * C] by one pass for each of the maps."""
    total = None if base is None else base.view(*base.shape[:3], *gains[0].shape)
    for part, gain in zip(maps, gains, strict=True):
        each = part.unsqueeze(3)
        total = each * gain if total is None else torch.addcmul(total, each, gain)
    assert total is not None
    flat: Tensor = total.flatten(3)
    return flat
