"""Maps of several strides, and the parts of networks that read them.

The map at stride s of an image of H x W pixels has [B, C, (H - 1) // s + 1, (W - 1) // s + 1]
numbers. An encoder gives a pyramid; a part reads some of its maps and gives one; a refinement
improves that by others.

Position i of the map at stride s sees most of what is around pixel s * i + offset, on both axes.
The offset of a stride is that of all maps there: of the encoder's, and of what a part makes. Nobody
but `enlarge`, `onto` and `nearest` says where a position lies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.core.errors import AtrousError
from atrous.networks.layers import interpolation, resample

Pyramid = dict[int, Tensor]
"""Maps [B, C, H, W] by stride."""
Offsets = Mapping[int, float]
"""Pixels by stride; 0 where a stride is not named."""
IN_PLACE: Offsets = MappingProxyType({})
"""Position i sees what is around pixel s * i, at all strides."""


class Part(nn.Module):
    """A module from a pyramid to one map [B, `channels`, H, W] at `stride`.

    `reads` are the strides of the maps that it takes from the pyramid; it may be given more.
    `forward` takes the pyramid. Class scores are made of the map by a convolution of `kernel` x
    `kernel`. `offsets` are those of its maps, set by the network that it becomes a part of; one
    that joins maps of several strides brings them together by `onto`. `coarsest` is the largest
    stride inside, where that is beyond those of the pyramid.
    """

    reads: tuple[int, ...]
    stride: int
    channels: int
    offsets: Offsets = IN_PLACE
    kernel: int = 1
    coarsest: int = 0


class Refinement(nn.Module):
    """A module behind a part: `forward` takes the pyramid and the part's map, and gives a map.

    It declares itself as a part does.
    """

    reads: tuple[int, ...]
    stride: int
    channels: int
    offsets: Offsets = IN_PLACE


@runtime_checkable
class Supervised(Protocol):
    """A part with maps inside, from which class scores can be learnt, too, while it is trained."""

    def auxiliary(self) -> list[Part]:
        """Returns a new part for each map inside, which reads that alone, at its stride."""

    def inside(self, maps: Pyramid) -> tuple[Tensor, list[Tensor]]:
        """Returns what the part gives, and the maps inside."""


class Chained(Part):
    """A part that reads the map of another, its context, in the place of one of the pyramid."""

    def __init__(self, context: Part, part: Part) -> None:
        super().__init__()
        self.context, self.part = context, part
        self.reads = tuple(sorted({*context.reads, *part.reads}))
        self.stride, self.channels, self.kernel = part.stride, part.channels, part.kernel
        self.coarsest = max(context.coarsest, part.coarsest)

    def auxiliary(self) -> list[Part]:
        """See `Supervised`: those of the second part, if it has any."""
        return self.part.auxiliary() if isinstance(self.part, Supervised) else []

    def forward(self, maps: Pyramid) -> Tensor:
        """Maps by stride -> [B, channels, H, W] at the part's stride."""
        return self.inside(maps)[0]

    def inside(self, maps: Pyramid) -> tuple[Tensor, list[Tensor]]:
        """See `Supervised`."""
        given = {**maps, self.context.stride: self.context(maps)}
        if isinstance(self.part, Supervised):
            return self.part.inside(given)
        return self.part(given), []


def require_maps(part: Part | Refinement, strides: tuple[int, ...], where: str) -> None:
    """Raises `AtrousError` if the part reads a map that is not there; `where` names the place."""
    missing = [stride for stride in part.reads if stride not in strides]
    if missing:
        raise AtrousError(
            f"Expected a map at stride {', '.join(map(str, missing))} for the architecture, but "
            f"{where} holds those at {', '.join(map(str, strides))}."
        )


def align(part: Part | Refinement, offsets: Offsets) -> None:
    """Tells a part, and the parts that it is made of, which pixels maps see."""
    for module in part.modules():
        if isinstance(module, Part | Refinement):
            module.offsets = offsets


def onto(
    maps: Tensor,
    stride: int,
    target: int,
    size: Sequence[int],
    offsets: Offsets,
    whole: bool = True,
) -> Tensor:
    """Maps [B, C, H, W] of a stride, read where the positions of another lie: [B, C, *size].

    Bilinear; what lies beyond the outermost positions reads those. Towards a finer stride, places
    are exact to a quarter of its pixels, and `size` is that of k * stride / target + 1 positions
    where `whole`; maps coarser than a canvas's multiple are not.
    """
    if stride == target:
        return maps
    apart = offsets.get(stride, 0.0) - offsets.get(target, 0.0)
    if stride < target or not whole:
        lines = (
            interpolation((torch.arange(n, device=maps.device) * target - apart) / stride, old)
            for n, old in zip(size, maps.shape[-2:], strict=True)
        )
        rows, columns = (line.to(maps.dtype) for line in lines)
        return resample(maps, rows, columns)
    height, width = size
    larger, first = enlarge(maps, stride // target, apart / target, (height, width))
    return larger[..., first : first + height, first : first + width]


def nearest(
    maps: Tensor, stride: int, target: int, size: Sequence[int], offsets: Offsets
) -> Tensor:
    """Maps [B, C, H, W] of a stride, read where the positions of a finer one lie, at the nearest
    position, of two the first: [B, C, *size]. Offsets are rounded to whole positions of the finer.
    """
    ratio = stride // target
    apart = round((offsets.get(stride, 0.0) - offsets.get(target, 0.0)) / target)
    # Position j reads (j - apart) / ratio, rounded, which is (j - first) // ratio.
    first = apart - (ratio - 1) // 2
    before, after = max(0, -(-first // ratio)), max(0, -first // ratio)
    if before or after:
        maps = functional.pad(maps, (before, after, before, after), mode="replicate")
    larger = functional.interpolate(maps, scale_factor=float(ratio), mode="nearest")
    (height, width), start = size, before * ratio - first
    return larger[..., start : start + height, start : start + width]


def enlarge(maps: Tensor, ratio: int, shift: float, size: tuple[int, int]) -> tuple[Tensor, int]:
    """Interpolates [B, C, H, W] bilinearly to positions that lie `ratio` times as dense.

    Returns larger maps, and the number `first` of positions to leave out on either axis. Position
    `first` + j of them reads the maps at (j - `shift`) / `ratio`, for all j below `size`, which is
    that of k * `ratio` + 1 positions. A shift counts positions of the result, rounded to halves:
    whole ones interpolate with corners on corners, others with halves of a position outside them.
    """
    if ratio == 1:
        return maps, 0
    halves = round(2 * shift)
    corners = halves % 2 == 0
    first = (-halves if corners else ratio - 1 - halves) // 2
    spare = 0 if corners else ratio - 1
    before, after = max(0, -(first // ratio)), max(0, -((spare - first) // ratio))
    if before or after:
        maps = functional.pad(maps, (before, after, before, after), mode="replicate")
    more = (before + after) * ratio + spare
    larger = functional.interpolate(
        maps, size=(size[0] + more, size[1] + more), mode="bilinear", align_corners=corners
    )
    return larger, first + before * ratio
