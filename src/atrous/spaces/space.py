"""A search space: a grammar whose genotypes are networks, or parts of networks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from atrous.core.architecture import Cost, Genotype, Limit, key_of
from atrous.core.errors import AtrousError
from atrous.core.grammar import Grammar

if TYPE_CHECKING:
    from atrous.core.drawing import Shapes
    from atrous.networks.network import Encoder
    from atrous.networks.pyramid import Part, Refinement

T = TypeVar("T")
Shape = tuple[int, int, int]
"""Channels, height and width of a map."""
Unit = tuple[int, int, int]
"""Weights, filters and positions of a convolution with its batch norm."""
IMAGE = 1
"""The stride of an image, which is a map of three channels."""


class Builder(Protocol):
    """Builds the part that an architecture describes."""

    def __call__(self, genotype: Genotype, channels: Mapping[int, int], filters: int) -> Part:
        """A part that reads maps of `channels` by stride; `filters` is the width asked for."""


class RefinementBuilder(Protocol):
    """Builds what follows the part of an architecture where finer edges are asked for."""

    def __call__(self, channels: Mapping[int, int], part: Part, filters: int) -> Refinement:
        """A refinement of the part's map by maps of `channels` by stride."""


class Coster(Protocol):
    """Counts what an architecture costs, by arithmetic alone."""

    def __call__(self, genotype: Genotype, maps: Mapping[int, Shape], filters: int) -> Cost:
        """Everything trainable in it, and its multiply-adds on one input: maps by stride, or the
        image (stride 1) where the architecture is a whole network."""


@dataclass(frozen=True)
class OwnEncoder:
    """The encoder of architectures that are whole networks, and need no backbone.

    Networks see images of k * `coarsest` + 1 pixels on each axis: `coarsest` is the largest stride
    inside the encoder.
    """

    build: Callable[[Genotype, int], Encoder]
    coarsest: int


def from_stride(maps: Mapping[int, T], finest: int | None) -> dict[int, T]:
    """Returns the maps of stride `finest` and larger ones; all where it is `None`.

    Raises `AtrousError` if there are none.
    """
    found = {stride: one for stride, one in maps.items() if stride >= (finest or 0)}
    if not found:
        raise AtrousError(
            f"--finest-stride {finest} leaves no map to read: there are those at stride "
            f"{', '.join(map(str, maps))}. Lower it, or raise --output-stride."
        )
    return found


def deepest(strides: Collection[int]) -> tuple[int, ...]:
    """Returns the largest of the strides alone."""
    return (max(strides),)


def stand_in(stride: int, strides: Collection[int]) -> int:
    """Returns the stride that stands for one that a backbone may lack: the first from it on, or the
    largest."""
    return min((s for s in strides if s >= stride), default=max(strides))


def unit_cost(weights: int, filters: int, positions: int) -> Cost:
    """Returns the cost of a convolution with its batch norm."""
    return Cost(weights + 2 * filters, weights * positions)


def units_cost(units: Iterable[Unit]) -> Cost:
    """Returns the cost of many such."""
    parameters = multiply_adds = 0
    for weights, filters, positions in units:
        parameters += weights + 2 * filters
        multiply_adds += weights * positions
    return Cost(parameters, multiply_adds)


def separable_decoder(channels: Mapping[int, int], part: Part, filters: int) -> Refinement:  # noqa: ARG001 (it is as wide as the part)
    """Returns the decoder of DeepLabv3+ as the DPC paper has it, of separable convolutions."""
    from atrous.networks.network import Decoder

    return Decoder(channels, part)


def anything(_: Genotype) -> bool:
    """Affords every architecture."""
    return True


@dataclass(frozen=True, kw_only=True)
class Space(Grammar):
    """The architectures one may build.

    `canonical` maps genotypes that build the same function to one of them, `canonical_on` also
    those that do so on maps of some strides. `build` gives the part of an architecture, which reads
    maps of an encoder: a backbone, or in a space of whole networks that of the architecture, its
    `encoder`. `reads` says which of the strides that a backbone has some architecture of the space
    reads, `reads_of` which of them one reads (`None`: all of them).
    `decoder` refines the part's map where the user asks for
    it. `sketch` draws an architecture in plain text, `shapes` as a picture, where there is one to
    draw; without a sketch, `text` lists its decisions.
    `likened` are those that stand for well-known ones of other spaces, by the names of these.
    `maps` and `filters` are what its architectures read and how wide they are, where that is known;
    `limits` those that their counted cost is to keep, and `affords` whether other costs are within
    theirs. Parts that are `auxiliary` have maps inside which
    auxiliary cells can read (`networks.pyramid.Supervised`).
    """

    title: str
    canonical: Callable[[Genotype], Genotype]
    build: Builder
    cost: Coster
    canonical_on: Callable[[Genotype, Collection[int]], Genotype] | None = None
    reads: Callable[[Collection[int]], tuple[int, ...]] = deepest
    reads_of: Callable[[Genotype, Collection[int]], tuple[int, ...]] | None = None
    encoder: OwnEncoder | None = None
    decoder: RefinementBuilder = separable_decoder
    sketch: Callable[[Genotype], str] | None = None
    shapes: Callable[[Genotype], Shapes] | None = None
    published: dict[str, Genotype] = field(default_factory=dict)
    likened: dict[str, Genotype] = field(default_factory=dict)
    maps: Mapping[int, Shape] = field(default_factory=dict)
    filters: int = 0
    limits: tuple[Limit, ...] = ()
    affords: Callable[[Genotype], bool] = anything
    auxiliary: bool = False

    def at(self, maps: Mapping[int, Shape], filters: int, limits: tuple[Limit, ...] = ()) -> Space:
        """Returns the space as one search has it: reading these maps, of this width, in limits."""
        canonical = partial(self.form_on, strides=tuple(maps))
        return replace(self, maps=maps, filters=filters, limits=limits, canonical=canonical)

    def form_on(self, genotype: Genotype, strides: Collection[int]) -> Genotype:
        """Returns one genotype for all that build the same function on maps of these strides."""
        return (
            self.canonical_on(genotype, strides) if self.canonical_on else self.canonical(genotype)
        )

    def allows(self, genotype: Genotype) -> bool:
        """Whether what an architecture costs by count is within the limits; without any, nothing is
        counted."""
        if not self.limits:
            return True
        cost = self.analytic_cost(genotype)
        return all(limit.holds(getattr(cost, key_of(limit.name))) for limit in self.limits)

    def analytic_cost(self, genotype: Genotype) -> Cost:
        """Counts what an architecture costs in this search; raises `ValueError` for a space of
        which no maps are known."""
        if not self.maps:
            raise ValueError(f"space {self.name} is not `at` any maps, on which costs depend")
        return self.cost(genotype, self.maps, self.filters)

    def read_by(self, genotype: Genotype, strides: Collection[int]) -> tuple[int, ...]:
        """Of the strides that a backbone has those whose maps an architecture reads, at most."""
        return self.reads_of(genotype, strides) if self.reads_of else self.reads(strides)

    def coarsest(self, backbone: int | None) -> int:
        """The largest stride of a network: images and crops are of k times this + 1 pixels.

        `backbone` is the output stride of the backbone, where the space needs one.
        """
        if self.encoder:
            return self.encoder.coarsest
        if backbone is None:
            raise ValueError(f"space {self.name} needs a backbone")
        return backbone

    def text(self, genotype: Genotype) -> str:
        """The architecture in plain text, over several lines."""
        if self.sketch:
            return self.sketch(genotype)
        return "\n".join(f"{self.decision(k)}: {choice}" for k, choice in enumerate(genotype))
