"""The whole network: images in, class scores of every pixel out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.core.config import Init
from atrous.core.errors import AtrousError
from atrous.networks.layers import PointwiseUnit, SeparableUnit, interpolation, resample
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


@dataclass(frozen=True)
class Chain:
    """Layers that are run one after another; `ends` says by stride how many give its last map."""

    layers: list[nn.Module]
    ends: dict[int, int]

    def front(self, stride: int) -> list[nn.Module]:
        """The layers up to the last map of a stride."""
        return self.layers[: self.ends[stride]]

    def run(self, x: Tensor, first: int, last: int) -> Pyramid:
        """Runs layers `first` to `last` on the map before them; gives the maps that end there."""
        at = {end: stride for stride, end in self.ends.items()}
        maps: Pyramid = {}
        for number in range(first, last):
            x = self.layers[number](x)
            if number + 1 in at:
                maps[at[number + 1]] = x
        return maps


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

    def chain(self, stride: int) -> Chain:
        """The layers of the encoder, one after another, where it can be begun up to a stride.

        Raises `AtrousError` where it is no chain: only backbones are, and not all.
        """
        raise self.uncut(stride, "its layers are no chain")

    def padded(self, images: Tensor) -> Tensor:
        """Images as the first layer takes them."""
        return images

    def unpadded(self, maps: Pyramid, size: tuple[int, int]) -> Pyramid:
        """The maps of images of `size` (height, width) without what `padded` added."""
        del size
        return maps

    def begin(self, images: Tensor, stride: int) -> Pyramid:
        """Images [B, 3, H, W] -> their maps up to a stride, as the layers leave them."""
        chain = self.chain(stride)
        return chain.run(self.padded(images), 0, chain.ends[stride])

    def finish(self, maps: Pyramid, stride: int, size: tuple[int, int]) -> Pyramid:
        """The maps that `begin` gave for images of `size` -> those of all strides."""
        chain = self.chain(stride)
        rest = chain.run(maps[stride], chain.ends[stride], len(chain.layers))
        return self.unpadded({**maps, **rest}, size)

    def uncut(self, stride: int, reason: str) -> AtrousError:
        """The error of an encoder that cannot be begun up to a stride."""
        return AtrousError(
            f"--frozen {stride}: {self.name} cannot be cut there ({reason}). Leave it out, or take "
            "a --backbone that is a chain of layers, such as mobilenetv2_100 or resnet50d."
        )


@dataclass(frozen=True)
class Begun:
    """Images of `size` (height, width) that have gone through a frozen front: `maps` by stride."""

    maps: Pyramid
    size: tuple[int, int]


class Network(nn.Module):
    """Encoder, part, optional refinement, the task's scores, and interpolation to the image.

    The names of the modules are those that saved weights have: `backbone` is the encoder, `head`
    the part, `decoder` the refinement, `logits` the head of the task.

    Any image size is taken. Inside, an image is padded (right and bottom, with the mean colour) to
    k * canvas + 1 pixels on each axis, as in the reference implementation, whose feature i sits on
    pixel i * stride. Here it sits where the encoder's `offsets` say, and that is where it is read.

    A network that is trained may have a `frozen` front: layers of the encoder up to a stride, which
    stay as they are. Their maps can then be computed once, by `begin`, and stand for the images.
    """

    frozen: int = 0

    def __init__(
        self, backbone: Encoder, head: Part, logits: nn.Conv2d, decoder: Refinement | None = None
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

    def forward(self, images: Tensor | Begun, every: int = 1) -> Tensor:
        """Normalised images [B, 3, H, W] -> logits [B, K, H, W], or those of every few pixels of
        each axis, from the first on."""
        if isinstance(images, Begun):
            (height, width), canvas = images.size, canvas_of(images.size, self.backbone.canvas)
            scores = self.scores(self.backbone.finish(images.maps, self.frozen, canvas))
        else:
            height, width = images.shape[-2:]
            # Only right and below: position 0 stays on pixel 0, and what is added is cut off again.
            padded = pad_to_canvas(images, self.backbone.canvas)
            canvas, scores = (padded.shape[-2], padded.shape[-1]), self.coarse(padded)
        if every > 1:
            return self._read(scores, every, (height, width))
        scores, first = self.enlarged(scores, canvas)
        return scores[..., first : first + height, first : first + width]

    def _read(self, scores: Tensor, every: int, size: tuple[int, int]) -> Tensor:
        shift = self.backbone.offsets.get(self.stride, 0.0)
        rows, columns = (
            interpolation(
                (torch.arange(0, pixels, every, device=scores.device) - shift) / self.stride, old
            )
            for pixels, old in zip(size, scores.shape[-2:], strict=True)
        )
        return resample(scores.float(), rows, columns)

    def freeze(self, stride: int) -> Self:
        """Keeps the encoder up to a stride as it is from now on, batch norms included; 0 nothing.

        Raises `AtrousError` where it cannot be cut there.
        """
        self.frozen = stride
        for layer in self.backbone.chain(stride).front(stride) if stride else ():
            layer.requires_grad_(False)
        return self

    def train(self, mode: bool = True) -> Self:
        """Sets the mode of all but a frozen front."""
        super().train(mode)
        for layer in self.backbone.chain(self.frozen).front(self.frozen) if self.frozen else ():
            layer.eval()
        return self

    @torch.no_grad()
    def begin(self, images: Tensor) -> Begun:
        """Normalised images [B, 3, H, W] after the frozen front: the maps that others read."""
        maps = self.backbone.begin(pad_to_canvas(images, self.backbone.canvas), self.frozen)
        read = {self.frozen, *self.head.reads, *(self.decoder.reads if self.decoder else ())}
        size = (images.shape[-2], images.shape[-1])
        return Begun({stride: each for stride, each in maps.items() if stride in read}, size)

    def enlarged(self, scores: Tensor, canvas: tuple[int, int]) -> tuple[Tensor, int]:
        """Logits at the network's own stride -> logits of pixels, and which of them, on either
        axis, is the first of the canvas."""
        shift = self.backbone.offsets.get(self.stride, 0.0)
        return enlarge(scores, self.stride, shift, canvas)

    def coarse(self, canvas: Tensor) -> Tensor:
        """Images of k * canvas + 1 pixels -> logits at the network's own stride."""
        return self.scores(self.backbone(canvas))

    def scores(self, maps: Pyramid) -> Tensor:
        """Maps of the encoder by stride -> logits at the network's own stride."""
        deep: Tensor = self.head(maps)
        if self.decoder is not None:
            deep = self.decoder(maps, deep)
        scores: Tensor = self.logits(deep)
        return scores


def initialise(module: nn.Module, init: Init) -> None:
    """Draws the first weights of all convolutions behind the encoder anew, uniformly, whatever a
    layer is for; by "reference", modules keep those that they were made with.

    `torch`: within +-1 / sqrt(inputs of a position), as its layers do unless told otherwise. `he`:
    at the scale for ReLU of He et al. (2015, section 2.2), the task's scores at that of Glorot and
    Bengio (2010, section 4.2), and no biases.
    """
    if init == "reference":
        return
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d) and not name.startswith("backbone."):
            if init == "torch":
                layer.reset_parameters()
            else:
                _draw_by_he(layer, is_last=name.endswith("logits"))


def _draw_by_he(layer: nn.Conv2d, is_last: bool) -> None:
    if is_last:
        nn.init.xavier_uniform_(layer.weight)
    else:
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def pad_to_canvas(images: Tensor, canvas: int) -> Tensor:
    """Adds zeros at the right and bottom up to k * canvas + 1 pixels on each axis."""
    height, width = images.shape[-2:]
    return functional.pad(images, (0, (1 - width) % canvas, 0, (1 - height) % canvas))


def canvas_of(size: tuple[int, int], canvas: int) -> tuple[int, int]:
    """Height and width of images of `size` after `pad_to_canvas`."""
    height, width = (side + (1 - side) % canvas for side in size)
    return height, width


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


class Tail(nn.Module):
    """A network without its encoder: a part on cached maps, then the last layer `logits`.

    Position i of the scores belongs to pixel `stride` * i + `offset`; `offsets` are those of the
    maps.
    """

    def __init__(self, head: Part, logits: nn.Conv2d, offsets: Offsets = IN_PLACE) -> None:
        super().__init__()
        self.head, self.logits = head, logits
        self.stride = head.stride
        self.offset = offsets.get(head.stride, 0.0)
        align(head, offsets)

    def forward(self, maps: Pyramid) -> Tensor:
        """Maps by stride -> scores [B, C, H, W] at the part's stride."""
        return cast(Tensor, self.logits(self.head(maps)))
