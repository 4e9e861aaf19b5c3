"""A search space as a small grammar, and everything that follows from it, once for all spaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from atrous.core.architecture import Architecture, Genotype
from atrous.core.cost import Cost
from atrous.core.errors import AtrousError

if TYPE_CHECKING:
    from torch import nn

    from atrous.networks.network import Encoder

State = Any
"""What the decisions so far leave to decide on; hashable. Equal states have equal continuations."""


Size = tuple[int, int]
COARSEST = 32
"""The largest stride within a trunk."""


class Grammar(Protocol):
    """Which choices the next decision has, given the decisions so far."""

    @property
    def start(self) -> State:
        """The state before the first decision."""

    def choices(self, state: State) -> int:
        """How many choices the next decision has; 0 when the architecture is complete."""

    def step(self, state: State, choice: int) -> State:
        """The state after `choice`, one of `range(choices(state))`."""


class Builder(Protocol):
    """Builds the head that an architecture describes."""

    def __call__(
        self, genotype: Genotype, channels: int, filters: int, output_stride: int
    ) -> nn.Module:
        """A module from features [B, channels, H, W] to [B, the space's width of filters, H, W]."""


class TrunkBuilder(Protocol):
    """Builds the encoder that an architecture describes."""

    def __call__(self, genotype: Genotype, filters: int) -> Encoder:
        """From images to a map per stride; its attributes say which."""


class DecoderBuilder(Protocol):
    """Builds what joins the head's output with a map at stride 4."""

    def __call__(self, low_channels: int, filters: int) -> nn.Module:
        """A module from (low [B, low_channels, h, w], deep [B, filters, H, W]) to [B, filters, h,
        w]."""


class Coster(Protocol):
    """Counts what an architecture costs, by arithmetic alone."""

    def __call__(self, genotype: Genotype, channels: int, filters: int, size: Size) -> Cost:
        """Everything trainable in trunk and head, and their multiply-adds on one input of
        `channels` channels and `size` (H, W): a feature map, or for a space with trunks an
        image."""


def separable_decoder(low_channels: int, filters: int) -> nn.Module:
    """The decoder of DeepLabv3+ as the DPC paper has it, of separable convolutions."""
    from atrous.networks.decoder import Decoder

    return Decoder(low_channels, filters)


def same_width(filters: int) -> int:
    """Heads as wide as the user says."""
    return filters


@dataclass(frozen=True)
class Space:
    """The architectures one may build.

    Every genotype has a rank: its position in the lexicographic order of all genotypes. Counting,
    exactly uniform sampling and enumeration are arithmetic on ranks, in Python's unbounded
    integers. `canonical` maps genotypes that build the same function to one of them; `decision`
    names a decision by its position.

    An architecture is a head on a backbone's features, built by `build`; or, in a space with a
    `trunk`, a whole network, whose encoder takes the backbone's place and whose head `build` gives.
    A head for `filters` has `width(filters)` channels, and so has the `decoder`.

    `sketch` draws an architecture in plain text; without one, `text` lists its decisions.
    """

    name: str
    title: str
    grammar: Grammar
    canonical: Callable[[Genotype], Genotype]
    build: Builder
    cost: Coster
    decision: Callable[[int], str] = "decision {}".format
    trunk: TrunkBuilder | None = None
    decoder: DecoderBuilder = separable_decoder
    width: Callable[[int], int] = same_width
    sketch: Callable[[Genotype], str] | None = None
    published: dict[str, Genotype] = field(default_factory=dict)

    def canvas(self, output_stride: int) -> int:
        """Networks see images of k * this + 1 pixels on each axis; `output_stride` is that of a
        backbone, where there is one."""
        return COARSEST if self.trunk else output_stride

    @cached_property
    def _counts(self) -> dict[State, int]:
        return {}

    def size(self) -> int:
        """The exact number of genotypes."""
        return self._completions(self.grammar.start)

    def _completions(self, state: State) -> int:
        """How many ways there are to complete an architecture from `state`."""
        if state not in self._counts:
            choices = self.grammar.choices(state)
            following = (self.grammar.step(state, choice) for choice in range(choices))
            self._counts[state] = sum(map(self._completions, following)) if choices else 1
        return self._counts[state]

    def unrank(self, rank: int) -> Genotype:
        """The genotype at position `rank`, in 0 <= rank < size()."""
        if not 0 <= rank < self.size():
            raise IndexError(f"rank {rank} is outside 0 .. {self.size() - 1} of space {self.name}")
        state, genotype = self.grammar.start, []
        while choices := self.grammar.choices(state):
            for choice in range(choices):
                following = self.grammar.step(state, choice)
                if rank < self._completions(following):
                    break
                rank -= self._completions(following)
            state = following
            genotype.append(choice)
        return tuple(genotype)

    def rank(self, genotype: Genotype) -> int:
        """The inverse of `unrank`."""
        self.validate(genotype)
        state, rank = self.grammar.start, 0
        for choice in genotype:
            rank += sum(self._completions(self.grammar.step(state, c)) for c in range(choice))
            state = self.grammar.step(state, choice)
        return rank

    def all(self) -> Iterator[Genotype]:
        """Every genotype, in lexicographic order."""
        return map(self.unrank, range(self.size()))

    def sample(self, rng: Random) -> Genotype:
        """A genotype drawn exactly uniformly."""
        return self.unrank(rng.randrange(self.size()))

    def is_valid(self, genotype: Genotype) -> bool:
        """Whether the grammar accepts the genotype as a complete architecture."""
        state = self.grammar.start
        for choice in genotype:
            if not 0 <= choice < self.grammar.choices(state):
                return False
            state = self.grammar.step(state, choice)
        return self.grammar.choices(state) == 0

    def validate(self, genotype: Genotype) -> None:
        """Raises `AtrousError` that names the first decision the grammar refuses."""
        state = self.grammar.start
        for position, choice in enumerate(genotype):
            choices = self.grammar.choices(state)
            if not 0 <= choice < choices:
                expected = f"one of 0 .. {choices - 1}" if choices else "no further decision"
                raise AtrousError(
                    f"Space {self.name}: expected {expected} at position {position} of "
                    f"{'.'.join(map(str, genotype))}, got {choice}."
                )
            state = self.grammar.step(state, choice)
        if self.grammar.choices(state):
            raise AtrousError(
                f"Space {self.name}: {'.'.join(map(str, genotype)) or 'an empty genotype'} ends "
                f"after {len(genotype)} decisions, but more are needed to complete an architecture."
            )

    def widths(self, genotype: Genotype) -> dict[str, int]:
        """How many choices each decision of the genotype had, by the decision's name."""
        state, widths = self.grammar.start, {}
        for position, choice in enumerate(genotype):
            widths[self.decision(position)] = self.grammar.choices(state)
            state = self.grammar.step(state, choice)
        return widths

    def choices(self, prefix: Genotype) -> int:
        """How many choices the decision after these has; 0 where none is left."""
        state = self.grammar.start
        for choice in prefix:
            state = self.grammar.step(state, choice)
        return self.grammar.choices(state)

    @cached_property
    def most_choices(self) -> tuple[int, ...]:
        """The most choices that each decision can have, in order: the shape of an encoding."""
        states, most = {self.grammar.start}, []
        while counts := [c for state in states if (c := self.grammar.choices(state))]:
            most.append(max(counts))
            states = {
                self.grammar.step(s, choice)
                for s in states
                for choice in range(self.grammar.choices(s))
            }
        return tuple(most)

    def variants(self, genotype: Genotype, position: int) -> list[Genotype]:
        """The valid genotypes that differ from this one at `position` alone."""
        state = self.grammar.start
        for choice in genotype[:position]:
            state = self.grammar.step(state, choice)
        others = (c for c in range(self.grammar.choices(state)) if c != genotype[position])
        changed = ((*genotype[:position], c, *genotype[position + 1 :]) for c in others)
        return [variant for variant in changed if self.is_valid(variant)]

    def neighbours(self, genotype: Genotype) -> list[Genotype]:
        """Every valid genotype that differs in exactly one decision."""
        positions = range(len(genotype))
        return [variant for p in positions for variant in self.variants(genotype, p)]

    def mutate(self, genotype: Genotype, rng: Random) -> Genotype:
        """A neighbour: a decision that can change drawn uniformly, then its new choice.

        The genotype itself if it has no neighbour.
        """
        movable = [v for p in range(len(genotype)) if (v := self.variants(genotype, p))]
        return rng.choice(rng.choice(movable)) if movable else genotype

    def text(self, genotype: Genotype) -> str:
        """The architecture in plain text, over several lines."""
        if self.sketch:
            return self.sketch(genotype)
        return "\n".join(f"{self.decision(k)}: {choice}" for k, choice in enumerate(genotype))

    def architecture(self, genotype: Genotype) -> Architecture:
        """The genotype as a record of this space."""
        self.validate(genotype)
        return Architecture(self.name, genotype)
