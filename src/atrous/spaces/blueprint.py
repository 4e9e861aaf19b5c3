"""What a network is built from: a few names and numbers, written as JSON."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from atrous.core.architecture import Architecture, ArchitectureText
from atrous.core.errors import AtrousError
from atrous.data.palette import Colour
from atrous.networks.backbones import load_backbone, outline
from atrous.networks.decoder import LOW_STRIDE
from atrous.networks.network import Encoder, Network
from atrous.spaces import find_space


@dataclass(frozen=True)
class Blueprint:
    """`filters` is the width of the cell and the decoder, `decoder` whether there is one; class k
    is called `classes[k]` and drawn in `colours[k]` (RGB). An architecture with an encoder of its
    own has the `backbone` "" and the `output_stride` 0."""

    architecture: ArchitectureText
    backbone: str
    output_stride: int
    filters: int
    decoder: bool
    classes: tuple[str, ...]
    colours: tuple[Colour, ...]

    def __post_init__(self) -> None:
        """Raises `ValueError` unless each class has a colour."""
        if len(self.colours) != len(self.classes):
            raise ValueError(f"{len(self.colours)} colours for {len(self.classes)} classes")


def build_network(blueprint: Blueprint, weights: str = "none", seed: int = 0) -> Network:
    """The network in evaluation mode: the backbone's `weights` as `load_backbone` takes them,
    everything else drawn from `seed`. torch's own generator is left alone.

    Raises AtrousError.
    """
    backbone = None
    if not brings_its_own_encoder(blueprint.architecture):
        backbone = load_backbone(blueprint.backbone, weights, blueprint.output_stride, seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return _assembled(blueprint, backbone)


def blank_network(blueprint: Blueprint) -> Network:
    """The network without storage, for its shapes and its cost. Raises AtrousError."""
    backbone = None
    if not brings_its_own_encoder(blueprint.architecture):
        backbone = outline(blueprint.backbone, blueprint.output_stride)
    with torch.device("meta"):
        return _assembled(blueprint, backbone)


def brings_its_own_encoder(architecture: Architecture) -> bool:
    """Whether the architecture is a whole network, which needs no backbone."""
    return find_space(architecture.space).trunk is not None


def _assembled(blueprint: Blueprint, backbone: Encoder | None) -> Network:
    space, genotype = find_space(blueprint.architecture.space), blueprint.architecture.genotype
    space.validate(genotype)
    encoder = space.trunk(genotype, blueprint.filters) if space.trunk else backbone
    if encoder is None:
        raise ValueError(f"{blueprint.architecture} needs a backbone")
    if blueprint.decoder and LOW_STRIDE not in encoder.channels:
        raise AtrousError(
            f"--decoder needs a feature map at stride {LOW_STRIDE}; {encoder.name} has maps "
            f"at {', '.join(map(str, encoder.channels))}. Leave out --decoder or use another "
            "--backbone."
        )
    stride, width = encoder.output_stride, space.width(blueprint.filters)
    head = space.build(genotype, encoder.channels[stride], blueprint.filters, stride)
    low = encoder.channels.get(LOW_STRIDE, 0)
    decoder = space.decoder(low, blueprint.filters) if blueprint.decoder else None
    return Network(encoder, head, width, len(blueprint.classes), decoder).eval()
