"""Layers of a relaxed network outside its cells: convolutions, stem, head, and a layer's output.

Shapes: B images, C channels, H x W positions, K classes. Batch norms have no statistics of their
own: they always take those of the batch, since the weights of a relaxed network are read in ever
different mixtures. Nor have they scales and shifts, which would absorb the mixture's weights (Liu
et al. 2019 follow Liu, Simonyan and Yang 2019 in this).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.spaces.auto_deeplab.trellis import STRIDES, stem_widths
from atrous.spaces.auto_deeplab.trunk import EPSILON, resized
from atrous.tasks.task import Task


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


ImageSize = tuple[int, int]


class Output:
    """Maps [B, C, H, W], after a ReLU and at other sizes, each made once for all who ask for it."""

    def __init__(self, maps: Tensor) -> None:
        self.maps = maps
        self._active: dict[ImageSize, Tensor] = {}

    def at(self, size: ImageSize) -> Tensor:
        """[B, C, h, w], interpolated bilinearly with corners on corners."""
        return self.maps if self.maps.shape[-2:] == size else resized(self.maps, size)

    def active(self, size: ImageSize) -> Tensor:
        """[B, C, h, w], interpolated, then after a ReLU."""
        if size not in self._active:
            self._active[size] = functional.relu(self.at(size))
        return self._active[size]


class SearchStem(nn.Module):
    """Three 3x3 convolutions, of strides 2, 1 and 2, with ReLU between them, as in the decoded
    network; the paper has two layers while it searches."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        first, second, third = stem_widths(filters)
        self.first = Convolution(3, first, 3, stride=2)
        self.second = Convolution(first, second, 3)
        self.third = Convolution(second, third, 3, stride=2)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images [B, 3, H, W] -> maps at stride 2 and at stride 4, before any ReLU."""
        finer: Tensor = self.second(functional.relu(self.first(images)))
        return finer, self.third(functional.relu(finer))


REACH = 96
"""The atrous rate in pixels of the image: 24, 12, 6 and 3 positions at strides 4 to 32."""


class SimplifiedAspp(nn.Module):
    """A 1x1 convolution, one atrous 3x3 convolution and image pooling, each with as many channels
    as there are, joined and scored (Liu et al. 2019, section 4.1).

    Without batch norms, of which the paper does not speak: they would undo the weights of the
    arrows into the last layer, so that nothing could tell at which stride to end.
    """

    def __init__(self, channels: int, level: int, classes: int, task: Task) -> None:
        super().__init__()
        self.point = Convolution(channels, channels, bare=True)
        self.atrous = Convolution(channels, channels, 3, rate=REACH // STRIDES[level], bare=True)
        self.pooling = Convolution(channels, channels, bare=True)
        self.scores = task.lesson().head(3 * channels, classes, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """[B, C, H, W] -> logits [B, K, H, W]."""
        mean = self.pooling(maps.mean((2, 3), keepdim=True))
        branches = [self.point(maps), self.atrous(maps), mean.expand_as(maps)]
        logits: Tensor = self.scores(functional.relu(torch.cat(branches, dim=1)))
        return logits


class Head(nn.Module):
    """The task's scores of each level, interpolated bilinearly to the canvas and summed."""

    def __init__(self, channels: Mapping[int, int], classes: int, task: Task) -> None:
        super().__init__()
        self.levels = nn.ModuleDict(
            {str(level): SimplifiedAspp(c, level, classes, task) for level, c in channels.items()}
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
