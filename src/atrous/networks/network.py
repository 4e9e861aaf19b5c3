"""The whole network: images in, class scores of every pixel out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.networks.layers import PointwiseUnit, SeparableUnit
from atrous.networks.pyramid import (
    IN_PLACE,
    Offsets,
    Part,
    Pyramid,
    Refinement,
    align,
    enlarge,
    onto,
    require_maps,
)


class Encoder(nn.Module):
    """From normalised images [B, 3, H, W] to the deepest map of each stride: a backbone, or the
    encoder of an architecture.

    `channels` are those of its maps by stride, `output_stride` the stride of the deepest one;
    `mean` and `std` are those of RGB in [0, 1] that images are normalised with. Images of
    k * `canvas` + 1 pixels have a map of k * canvas / s + 1 positions at each stride s. `offsets`
    say which pixels those see. `weights_digest` tells its weights from others.
    """

    name: str
    output_stride: int
    canvas: int
    channels: dict[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    weights_digest: str = ""
    offsets: Offsets = IN_PLACE

    def cut(self, strides: Collection[int]) -> None:
        """Leaves out what no map of these strides depends on. An encoder that was made for an
        architecture has nothing of the kind."""


class Network(nn.Module):
    """Encoder, part, optional refinement, the task's scores, and interpolation to the image.

    The names of the modules are those that saved weights have: `backbone` is the encoder, `head`
    the part, `decoder` the refinement, `logits` the head of the task.

    Any image size is taken. Inside, an image is padded (right and bottom, with the mean colour) to
    k * canvas + 1 pixels on each axis, as in the reference implementation, whose feature i sits on
    pixel i * stride. Here it sits where the encoder's `offsets` say, and that is where it is read.
    """

    def __init__(
        self,
        backbone: Encoder,
        head: Part,
        logits: nn.Conv2d,
        decoder: Refinement | None = None,
    ) -> None:
        super().__init__()
        for part in (head, decoder) if decoder else (head,):
            require_maps(part, tuple(backbone.channels), backbone.name)
            align(part, backbone.offsets)
        self.backbone = backbone
        self.head = head
        self.decoder = decoder
        self.logits = logits
        self.stride = decoder.stride if decoder else head.stride

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images [B, 3, H, W] -> logits [B, K, H, W]."""
        height, width = images.shape[-2:]
        # Only right and below: position 0 stays on pixel 0, and what is added is cut off again.
        canvas = pad_to_canvas(images, self.backbone.canvas)
        scores, first = self.enlarged(self.coarse(canvas), (canvas.shape[-2], canvas.shape[-1]))
        return scores[..., first : first + height, first : first + width]

    def enlarged(self, scores: Tensor, canvas: tuple[int, int]) -> tuple[Tensor, int]:
        """Logits at the network's own stride -> logits of pixels, and which of them, on either
        axis, is the first of the canvas."""
        shift = self.backbone.offsets.get(self.stride, 0.0)
        return enlarge(scores, self.stride, shift, canvas)

    def coarse(self, canvas: Tensor) -> Tensor:
        """Images of k * canvas + 1 pixels -> logits at the network's own stride."""
        maps: Pyramid = self.backbone(canvas)
        deep: Tensor = self.head(maps)
        if self.decoder is not None:
            deep = self.decoder(maps, deep)
        scores: Tensor = self.logits(deep)
        return scores


def pad_to_canvas(images: Tensor, canvas: int) -> Tensor:
    """Adds zeros at the right and bottom up to k * canvas + 1 pixels on each axis."""
    height, width = images.shape[-2:]
    return functional.pad(images, (0, (1 - width) % canvas, 0, (1 - height) % canvas))


LOW_STRIDE = 4
LOW_CHANNELS = 48


class Decoder(Refinement):
    """48 low-level channels beside the cell's output, then two separable 3x3 convolutions.

    timm's last map at stride 4 stands for the layer that the reference implementation taps inside
    a block.
    """

    def __init__(
        self,
        channels: Mapping[int, int],
        part: Part,
        low: int = LOW_STRIDE,
        deep: int | None = None,
    ) -> None:
        super().__init__()
        self.reads, self.stride = (low,), low
        self.channels, self.deep = part.channels, deep or part.stride
        filters = part.channels
        self.low = PointwiseUnit(channels[low], LOW_CHANNELS)
        self.refine = nn.Sequential(
            SeparableUnit(filters + LOW_CHANNELS, filters, (1, 1)),
            SeparableUnit(filters, filters, (1, 1)),
        )

    def forward(self, maps: Pyramid, deep: Tensor) -> Tensor:
        """The pyramid and deep [B, channels, H, W] -> [B, channels, h, w], at the low stride."""
        low = maps[self.stride]
        spread = onto(deep, self.deep, self.stride, low.shape[-2:], self.offsets)
        return cast(Tensor, self.refine(torch.cat([spread, self.low(low)], dim=1)))
