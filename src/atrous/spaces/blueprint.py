"""Networks from a few names and numbers, and what is known of them before they are built."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from atrous.core.architecture import ArchitectureText, Cost
from atrous.core.config import MOST_FILTERS
from atrous.core.errors import AtrousError
from atrous.core.records import Positive
from atrous.data.canvas import Size, feature_size, round_up
from atrous.data.encoding import Colour
from atrous.networks.backbones import load_backbone, outline
from atrous.networks.layers import pass_cost
from atrous.networks.network import LOW_STRIDE, Encoder, Network
from atrous.spaces import find_space, needs_backbone
from atrous.spaces.space import from_stride
from atrous.tasks import USUAL, find_task


@dataclass(frozen=True)
class Blueprint:
    """`filters` is the width of the cell and the decoder, `decoder` whether there is one; class k
    is called `classes[k]` and drawn in `colours[k]` (RGB). An architecture with an encoder of its
    own has no `backbone` and no `output_stride`. `offsets` are those of the backbone's
    maps. The part reads none of them at a smaller stride than `finest_stride`; the decoder may. The
    last layer is that of the `task`."""

    architecture: ArchitectureText
    backbone: str | None
    output_stride: Positive | None
    filters: Annotated[int, Field(ge=1, lt=MOST_FILTERS)]
    decoder: bool
    classes: tuple[str, ...]
    colours: tuple[Colour, ...]
    offsets: dict[int, float] = field(default_factory=dict)
    finest_stride: Positive | None = None
    task: str = USUAL.name

    def __post_init__(self) -> None:
        """Raises `ValueError` unless each class has a colour."""
        if len(self.colours) != len(self.classes):
            raise ValueError(f"{len(self.colours)} colours for {len(self.classes)} classes")

    @property
    def encoder(self) -> tuple[str, int] | None:
        """The backbone and its output stride, where the architecture reads one; raises `ValueError`
        if it is not named."""
        if not needs_backbone(self.architecture):
            return None
        if self.backbone is None or self.output_stride is None:
            raise ValueError(f"{self.architecture} needs a backbone")
        return self.backbone, self.output_stride


def build_network(blueprint: Blueprint, weights: str = "none", seed: int = 0) -> Network:
    """The network in evaluation mode: the backbone's `weights` as `load_backbone` takes them,
    everything else drawn from `seed`. torch's own generator is left alone.

    Raises AtrousError.
    """
    backbone = None
    if encoder := blueprint.encoder:
        name, stride = encoder
        backbone = load_backbone(name, weights, stride, seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return _assembled(blueprint, backbone)


def blank_network(blueprint: Blueprint) -> Network:
    """The network without storage, for its shapes and its cost. Raises AtrousError."""
    backbone = outline(*blueprint.encoder) if blueprint.encoder else None
    with torch.device("meta"):
        return _assembled(blueprint, backbone)


def network_cost(blueprint: Blueprint, size: Size) -> Cost:
    """All parameters, and the multiply-adds of convolutions and products for one H x W image.

    Encoder, parts and class scores count; batch norms, activations and interpolation do not.
    Nothing is computed, and nothing stored.
    """
    return pass_cost(blank_network(blueprint), torch.empty(1, 3, *size, device="meta"))


def untrained_rates(blueprint: Blueprint, crop: Size, image: Size) -> str | None:
    """Tells of atrous rates that see beyond a crop's feature map but not beyond an image's.

    Their outer weights see only padding in training, keep their first values, and act when whole
    images are scored. `None` if there are no such rates.
    """
    network = blank_network(blueprint)
    stride, canvas = network.backbone.output_stride, network.backbone.canvas
    map_size = feature_size(crop, stride)
    whole = feature_size((round_up(image[0], canvas), round_up(image[1], canvas)), stride)
    beyond = sorted(
        {
            rate
            for rates in _rates(network)
            for rate, inner, outer in zip(rates, map_size, whole, strict=True)
            if inner <= rate < outer
        }
    )
    if not beyond:
        return None
    listed = ", ".join(map(str, beyond))
    return (
        f"Atrous rates of {listed} reach beyond the {map_size[0]} x {map_size[1]} positions of a "
        f"{crop[0]}x{crop[1]} crop, but not beyond the {whole[0]} x {whole[1]} of an image: "
        "weights that were never trained will act on whole images. Take a larger --crop."
    )


def _rates(network: Network) -> list[tuple[int, int]]:
    """The dilations (vertical, horizontal) of the 3x3 convolutions after the encoder."""
    layers = [m for m in network.head.modules() if isinstance(m, nn.Conv2d)]
    return [(m.dilation[0], m.dilation[1]) for m in layers if max(m.kernel_size) > 1]


def _assembled(blueprint: Blueprint, backbone: Encoder | None) -> Network:
    space, genotype = find_space(blueprint.architecture.space), blueprint.architecture.genotype
    space.validate(genotype)
    encoder = space.encoder.build(genotype, blueprint.filters) if space.encoder else backbone
    if encoder is None:
        raise ValueError(f"{blueprint.architecture} needs a backbone")
    encoder.offsets = blueprint.offsets
    if blueprint.decoder and LOW_STRIDE not in encoder.channels:
        raise AtrousError(
            f"--decoder needs a feature map at stride {LOW_STRIDE}; {encoder.name} has maps "
            f"at {', '.join(map(str, encoder.channels))}. Leave out --decoder or use another "
            "--backbone."
        )
    # The order decides which first weights a seed gives: part, refinement, class scores.
    channels = from_stride(encoder.channels, blueprint.finest_stride)
    part = space.build(genotype, channels, blueprint.filters)
    refinement = None
    if blueprint.decoder:
        refinement = space.decoder(encoder.channels, part, blueprint.filters)
    encoder.cut({*part.reads, *(refinement.reads if refinement else ())})
    kernel = 1 if refinement else part.kernel
    head = find_task(blueprint.task).lesson().head
    scores = head((refinement or part).channels, len(blueprint.classes), kernel)
    return Network(encoder, part, scores, refinement).eval()
