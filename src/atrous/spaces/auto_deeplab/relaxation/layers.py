"""The few layers that all parts of a relaxed network use. Shapes: B images, C channels, H x W.

Batch norms have no statistics of their own: they always take those of the batch, since the weights
of a relaxed network are read in ever different mixtures. Nor have they scales and shifts, which
would absorb the mixture's weights (Liu et al. 2019 follow Liu, Simonyan and Yang 2019 in this).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.spaces.auto_deeplab.trunk import EPSILON


def normalised(maps: Tensor, gains: Tensor | None = None) -> Tensor:
    """Batch norm [B, C, H, W] -> the same, times `gains` [C].

    Given here, an operation's weight in the mixture costs nothing: neither the product nor its
    gradient is a pass over the maps of its own, and no result has to be kept for it.
    """
    # Unlike its namesake in functional, this takes a single position: it gives zeros.
    return torch.batch_norm(
        maps, gains, None, None, None, True, 0.0, EPSILON, torch.backends.cudnn.enabled
    )


def drawn(*shape: int, fan_in: int) -> nn.Parameter:
    """First weights: uniform, with variance scaling 1/3 by fan-in, as in the decoded network."""
    bound = fan_in**-0.5
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


class Convolution(nn.Module):
    """A dense convolution without bias, and batch norm unless it is `bare`: [B, channels, H, W] ->
    [B, filters, H, W], or half the positions at stride 2."""

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel: int = 1,
        stride: int = 1,
        rate: int = 1,
        bare: bool = False,
    ) -> None:
        super().__init__()
        self.stride, self.rate, self.bare = stride, rate, bare
        shape = (filters, channels, kernel, kernel)
        self.weight = drawn(*shape, fan_in=channels * kernel * kernel)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps, after any ReLU."""
        margin = self.weight.shape[-1] // 2 * self.rate
        convolved = functional.conv2d(maps, self.weight, None, self.stride, margin, self.rate)
        return convolved if self.bare else normalised(convolved)
