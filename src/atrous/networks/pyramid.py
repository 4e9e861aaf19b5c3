"""Maps of several strides, and the parts of networks that read them.

The map at stride s of an image of H x W pixels has [B, C, (H - 1) // s + 1, (W - 1) // s + 1]
numbers. An encoder gives a pyramid; a part reads some of its maps and gives one; a refinement
improves that by others.
"""

from __future__ import annotations

from torch import Tensor, nn

from atrous.core.errors import AtrousError

Pyramid = dict[int, Tensor]
"""Maps [B, C, H, W] by stride."""


class Part(nn.Module):
    """A module from a pyramid to one map [B, `channels`, H, W] at `stride`.

    `reads` are the strides of the maps that it takes from the pyramid; it may be given more.
    `forward` takes the pyramid. Class scores are made of the map by a convolution of `kernel` x
    `kernel`.
    """

    reads: tuple[int, ...]
    stride: int
    channels: int
    kernel: int = 1


class Refinement(nn.Module):
    """A module behind a part: `forward` takes the pyramid and the part's map, and gives a map.

    It declares itself as a part does.
    """

    reads: tuple[int, ...]
    stride: int
    channels: int


def require_maps(part: Part | Refinement, strides: tuple[int, ...], where: str) -> None:
    """Raises `AtrousError` if the part reads a map that is not there; `where` names the place."""
    missing = [stride for stride in part.reads if stride not in strides]
    if missing:
        raise AtrousError(
            f"Expected a map at stride {', '.join(map(str, missing))} for the architecture, but "
            f"{where} holds those at {', '.join(map(str, strides))}."
        )
