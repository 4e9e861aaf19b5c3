"""The family of well-known decoders, which stand beside whatever is searched."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from atrous.core.architecture import Cost, Genotype
from atrous.core.grammar import Independent
from atrous.spaces.family import Defaults, Family
from atrous.spaces.space import Shape, Space

if TYPE_CHECKING:
    from atrous.networks.pyramid import Part

NAME = "classic"
NAMES = ("1x1", "lraspp", "fpn", "unet", "deeplabv3plus")
WORDS = {
    "1x1": "a 1x1 convolution on the deepest map",
    "lraspp": "a gated 1x1 convolution on the deepest map, beside that of stride 8 (Howard et al. "
    "2019)",
    "fpn": "a feature pyramid, whose levels are enlarged and added (Kirillov et al. 2019)",
    "unet": "the deepest map, enlarged and joined with one finer map after another (Ronneberger et "
    "al. 2015)",
    "deeplabv3plus": "atrous spatial pyramid pooling, then a decoder that reads stride 4 (Chen et "
    "al. 2018)",
}
FINEST = 4
"""Maps of smaller strides are not read."""


def classic() -> Space:
    """The space whose architectures are the decoders of `NAMES`."""
    return Space(
        name=NAME,
        title="well-known decoders",
        rules=Independent((len(NAMES),)),
        canonical=tuple,
        build=build,
        cost=cost,
        decision=lambda _: "decoder",
        reads=reads,
        sketch=lambda genotype: WORDS[NAMES[genotype[0]]],
        published={name: (number,) for number, name in enumerate(NAMES)},
    )


def reads(strides: Collection[int]) -> tuple[int, ...]:
    """All strides from `FINEST` on."""
    return tuple(sorted(stride for stride in strides if stride >= FINEST))


def build(genotype: Genotype, channels: Mapping[int, int], filters: int) -> Part:
    """The decoder as a part that reads maps of `channels` by stride."""
    from atrous.spaces.classic.module import DECODERS

    found = {stride: channels[stride] for stride in reads(channels)}
    return DECODERS[NAMES[genotype[0]]](found, filters)


def cost(genotype: Genotype, maps: Mapping[int, Shape], filters: int) -> Cost:
    """The cost of the decoder, counted on itself without storage."""
    return _counted(genotype, tuple(sorted(maps.items())), filters)


@lru_cache(maxsize=256)
def _counted(genotype: Genotype, maps: tuple[tuple[int, Shape], ...], filters: int) -> Cost:
    import torch

    from atrous.networks.layers import pass_cost

    with torch.device("meta"):
        part = build(genotype, {stride: shape[0] for stride, shape in maps}, filters).eval()
        return pass_cost(part, {stride: torch.empty(1, *shape) for stride, shape in maps})


CLASSIC = Family(
    name=NAME,
    make=classic,
    defaults=Defaults(baselines=("1x1",)),
    yardstick="classic:fpn",
    alone=True,
)
