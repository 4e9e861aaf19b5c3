"""Two small spaces whose choices depend on earlier ones, unlike those of dense prediction cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from atrous.core.architecture import Cost, Genotype
from atrous.core.grammar import Rules
from atrous.networks.pyramid import Part
from atrous.spaces.family import Defaults, Family
from atrous.spaces.space import Coster, Shape, Space
from tests.parts import Alone

LEVELS = 4


@dataclass(frozen=True)
class Walk:
    """A walk over levels 0 .. 3 that goes up or down by at most one level a move.

    The state is (moves taken, level). Choices are counted from the lowest level within reach, so
    that a choice means another level, and there are more or fewer, where an earlier one differs.
    """

    moves: int
    start: tuple[int, int] = (0, 0)

    def choices(self, state: tuple[int, int]) -> int:
        taken, level = state
        return 0 if taken == self.moves else min(level + 1, LEVELS - 1) - max(level - 1, 0) + 1

    def step(self, state: tuple[int, int], choice: int) -> tuple[int, int]:
        taken, level = state
        return taken + 1, max(level - 1, 0) + choice


@dataclass(frozen=True)
class Chain:
    """At most `longest` links of one of two kinds: choice 0 ends the chain, 1 and 2 add a link.

    Genotypes differ in length. The state is the number of links; -1 once the chain has ended.
    """

    longest: int
    start: int = 0

    def choices(self, state: int) -> int:
        return 0 if state in (-1, self.longest) else 3

    def step(self, state: int, choice: int) -> int:
        return state + 1 if choice else -1


def walk(moves: int = 3) -> Space:
    return space_of(f"walk-{moves}", Walk(moves))


def chain(longest: int) -> Space:
    return space_of(f"chain-{longest}", Chain(longest))


def space_of(name: str, rules: Rules, cost: Coster | None = None) -> Space:
    return Space(
        name=name, title=name, rules=rules, canonical=tuple, build=_build, cost=cost or _cost
    )


def _build(genotype: Genotype, channels: Mapping[int, int], filters: int) -> Part:
    """As many 1x1 convolutions as decisions, on the deepest map."""
    stride = max(channels)
    layers = [nn.Conv2d(filters, filters, 1, bias=False) for _ in genotype]
    first = nn.Conv2d(channels[stride], filters, 1, bias=False)
    return Alone(nn.Sequential(first, *layers), filters, stride)


def _cost(genotype: Genotype, maps: Mapping[int, Shape], filters: int) -> Cost:
    channels, height, width = maps[max(maps)]
    weights = channels * filters + len(genotype) * filters * filters
    return Cost(weights, weights * height * width)


WALKS = Family(
    name="walk",
    make=walk,
    defaults=Defaults("tf_efficientnet_lite0", "auto", 16, 64, 400),
    sizes=r"walk-(\d)",
    example="walk-3 (3 moves)",
)
