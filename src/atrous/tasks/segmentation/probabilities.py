"""What a network believes about every pixel of an image: class probabilities.

K classes, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.tasks.segmentation.tiles import blocks


def probabilities(
    network: nn.Module,
    image: Tensor,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    device: str = "cpu",
    tile: int | None = None,
) -> Tensor:
    """Class probabilities of a normalised image [3, H, W]: float32 [K, H, W], on `device`.

    Several scales, and left-right flips, as in Chen et al. 2018, section 4: the image is resized
    bilinearly by each scale, the logits are resized bilinearly back, and the softmax of each is
    averaged. A side of n pixels becomes (n - 1) * scale + 1, and corners stay corners, as in the
    reference implementation. The network is moved to `device`; it computes in eval mode, and its
    modules are left in the modes they were in.

    With `tile`, an image with a longer side is computed in overlapping tiles of at most that many
    pixels a side, each as if it were an image, and joined without seams (`tiles.py`).
    """
    network.to(device)
    image = image.to(device, torch.float32)
    if tile is None or max(image.shape[1:]) <= tile:
        return _whole(network, image, scales, flip)
    return _tiled(network, image, scales, flip, tile)


def _tiled(
    network: nn.Module, image: Tensor, scales: Sequence[float], flip: bool, tile: int
) -> Tensor:
    height, width = image.shape[1:]
    result: Tensor | None = None
    for block in blocks(
        lambda rows, columns: _whole(network, image[:, rows, columns], scales, flip),
        (height, width),
        (tile, tile),
    ):
        found = block.probabilities
        if result is None:
            result = found.new_empty(len(found), height, width)
        bottom, right = block.top + found.shape[1], block.left + found.shape[2]
        result[:, block.top : bottom, block.left : right] = found
    assert result is not None
    return result


def _whole(network: nn.Module, image: Tensor, scales: Sequence[float], flip: bool) -> Tensor:
    with evaluating(network):
        total = _total(network, image, scales, flip)
    return total / (len(scales) * (1 + flip))


@torch.inference_mode()
def _total(network: nn.Module, image: Tensor, scales: Sequence[float], flip: bool) -> Tensor:
    """The sum of the softmaxes over scales and flips."""
    total: Tensor | None = None
    for scale in scales:
        scaled = resized(image[None], [scaled_side(side, scale) for side in image.shape[-2:]])
        if scaled.device.type == "cpu":  # convolutions are faster so
            scaled = scaled.contiguous(memory_format=torch.channels_last)
        for flipped in (False, True) if flip else (False,):
            found: Tensor = network(scaled.flip(-1) if flipped else scaled)
            found = resized(found.float(), image.shape[-2:]).softmax(1)[0]
            found = found.flip(-1) if flipped else found
            total = found if total is None else total.add_(found)
    if total is None:
        raise ValueError("expected at least one scale")
    return total


def scaled_side(side: int, scale: float) -> int:
    """A side of an image, in pixels, after scaling; at least 1."""
    return max(1, int((side - 1) * scale + 1))


def resized(images: Tensor, size: Sequence[int]) -> Tensor:
    """[B, C, H, W] resized bilinearly, corners on corners; the same tensor if it has that size."""
    if tuple(images.shape[-2:]) == tuple(size):
        return images
    return functional.interpolate(images, size=list(size), mode="bilinear", align_corners=True)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode, and afterwards every module in its own earlier mode."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
