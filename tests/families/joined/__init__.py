"""A family of the tests: its parts join the maps of two strides."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from atrous.core.architecture import Cost, Genotype
from atrous.networks.pyramid import Part
from atrous.spaces.family import Defaults, Family
from atrous.spaces.space import Shape, Space

FINE, DEEP = 8, 16
KERNELS = (1, 3, 5)


@dataclass(frozen=True)
class Rules:
    """One decision, the kernel; the state is how many are taken."""

    start: int = 0

    def choices(self, state: int) -> int:
        return 0 if state else len(KERNELS)

    def step(self, state: int, choice: int) -> int:  # noqa: ARG002
        return state + 1


def reads(strides: Collection[int]) -> tuple[int, ...]:
    return tuple(stride for stride in (FINE, DEEP) if stride in strides)


def build(genotype: Genotype, channels: Mapping[int, int], filters: int) -> Part:
    from tests.families.joined.part import Joined

    return Joined(KERNELS[genotype[0]], channels, filters)


def cost(genotype: Genotype, maps: Mapping[int, Shape], filters: int) -> Cost:
    (fine, height, width), (deep, rows, columns) = maps[FINE], maps[DEEP]
    here = fine * filters + filters * filters * KERNELS[genotype[0]] ** 2
    there = deep * filters
    adds = here * height * width + there * rows * columns
    return Cost(here + there + 2 * filters, adds)


def joined() -> Space:
    return Space(
        name="joined",
        title="maps of two strides joined",
        rules=Rules(),
        canonical=tuple,
        build=build,
        cost=cost,
        reads=reads,
    )


JOINED = Family(
    name="joined",
    make=joined,
    defaults=Defaults("tf_efficientnet_lite0", "none", 16, 4, 3, None, ("dpc:aspp",)),
)
