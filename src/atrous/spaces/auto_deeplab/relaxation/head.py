"""From the outputs of the last layer to class scores. Shapes: B images, C channels, K classes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.spaces.auto_deeplab.operations import resized
from atrous.spaces.auto_deeplab.relaxation.layers import Convolution
from atrous.spaces.auto_deeplab.trellis import STRIDES
from atrous.tasks.segmentation.head import class_scores

REACH = 96
"""The atrous rate in pixels of the image: 24, 12, 6 and 3 positions at strides 4 to 32."""


class SimplifiedAspp(nn.Module):
    """A 1x1 convolution, one atrous 3x3 convolution and image pooling, each with as many channels
    as there are, joined and scored (Liu et al. 2019, section 4.1).

    Without batch norms, of which the paper does not speak: they would undo the weights of the
    arrows into the last layer, so that nothing could tell at which stride to end.
    """

    def __init__(self, channels: int, level: int, classes: int) -> None:
        super().__init__()
        self.point = Convolution(channels, channels, bare=True)
        self.atrous = Convolution(channels, channels, 3, rate=REACH // STRIDES[level], bare=True)
        self.pooling = Convolution(channels, channels, bare=True)
        self.scores = class_scores(3 * channels, classes)

    def forward(self, maps: Tensor) -> Tensor:
        """[B, C, H, W] -> logits [B, K, H, W]."""
        mean = self.pooling(maps.mean((2, 3), keepdim=True))
        branches = [self.point(maps), self.atrous(maps), mean.expand_as(maps)]
        logits: Tensor = self.scores(functional.relu(torch.cat(branches, dim=1)))
        return logits


class Head(nn.Module):
    """Class scores of each level, interpolated bilinearly to the canvas and summed."""

    def __init__(self, channels: Mapping[int, int], classes: int) -> None:
        super().__init__()
        self.levels = nn.ModuleDict(
            {str(level): SimplifiedAspp(c, level, classes) for level, c in channels.items()}
        )

    def forward(self, outputs: Mapping[int, Tensor], size: tuple[int, int]) -> Tensor:
        """[B, C, h, w] of some levels -> logits [B, K, *size].

        Going from coarse to fine, sums are interpolated instead of scores: the positions of a level
        are among those of the next, so that both are the same, and only one map grows to `size`.
        """
        total: Tensor | None = None
        for level in sorted(outputs, reverse=True):
            maps = outputs[level]
            logits: Tensor = self.levels[str(level)](maps)
            finer = (maps.shape[-2], maps.shape[-1])
            total = logits if total is None else resized(total, finer) + logits
        assert total is not None
        return resized(total, size)
