"""Spaces composed of two: a context that makes another map of the coarsest one, then a decoder that
reads it in that map's place.

Everything follows from the two: an architecture is one of the first, then one of the second, so
that there are as many as the product. Which space may stand where is told by what its parts read
and give: before the plus sign, those that read the coarsest map alone, and give one of `filters`
channels there; behind it, those that read the coarsest map, with others or not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from atrous.core.architecture import JOIN, Architecture, Cost, Genotype
from atrous.core.errors import AtrousError
from atrous.core.grammar import Rules, State
from atrous.spaces.family import Family
from atrous.spaces.space import Shape, Space
from atrous.spaces.view import Drawing, Observed, View, described

if TYPE_CHECKING:
    from atrous.networks.pyramid import Part

STRIDES = (4, 8, 16, 32)
"""The maps on which it is told what a space reads."""


@dataclass(frozen=True)
class BothRules:
    """The decisions of one grammar, then those of another; the state is which, and its state."""

    rules: tuple[Rules, Rules]

    @property
    def start(self) -> State:
        """The state before the first decision."""
        return 0, self.rules[0].start

    def choices(self, state: State) -> int:
        """How many choices the next decision has."""
        side, own = state
        return self.rules[side].choices(own)

    def step(self, state: State, choice: int) -> State:
        """The state after a choice."""
        side, own = state
        own = self.rules[side].step(own, choice)
        if side == 0 and not self.rules[0].choices(own):
            return 1, self.rules[1].start
        return side, own


@dataclass(frozen=True)
class Member:
    """A space that stands in a composition, its family, and how its architectures are shown."""

    space: Space
    family: Family
    view: View


@dataclass(frozen=True)
class Composition:
    """A context and a decoder, and what follows from them for genotypes of both."""

    context: Space
    decoder: Space

    def split(self, genotype: Genotype) -> tuple[Genotype, Genotype]:
        """The genotype of the context, and that of the decoder."""
        rules, length = self.context.rules, 0
        state = rules.start
        while rules.choices(state):
            state = rules.step(state, genotype[length])
            length += 1
        return genotype[:length], genotype[length:]

    def canonical(self, genotype: Genotype) -> Genotype:
        """One genotype for all whose context and decoder are the same."""
        first, second = self.split(genotype)
        return (*self.context.canonical(first), *self.decoder.canonical(second))

    def canonical_on(self, genotype: Genotype, strides: Collection[int]) -> Genotype:
        """One genotype for all that are the same on maps of these strides: where the decoder does
        not read the coarsest, contexts are all one."""
        first, second = self.split(genotype)
        if not self._is_read(second, strides):
            first = self.context.unrank(0)
        forms = (self.context.form_on(first, strides), self.decoder.form_on(second, strides))
        return (*forms[0], *forms[1])

    def build(self, genotype: Genotype, channels: Mapping[int, int], filters: int) -> Part:
        """The decoder behind its context; alone where it does not read it."""
        from atrous.networks.pyramid import Chained

        first, second = self.split(genotype)
        if not self._is_read(second, channels):
            return self.decoder.build(second, channels, filters)
        context = self.context.build(first, channels, filters)
        deep = max(channels)
        if (context.reads, context.stride, context.channels) != ((deep,), deep, filters):
            raise ValueError(f"space {self.context.name} gives no map in place of the coarsest")
        decoder = self.decoder.build(second, {**channels, deep: filters}, filters)
        return Chained(context, decoder)

    def costs(self, genotype: Genotype, maps: Mapping[int, Shape], filters: int) -> dict[str, Cost]:
        """The costs of context and decoder by name."""
        first, second = self.split(genotype)
        deep = max(maps)
        given = {**maps, deep: (filters, *maps[deep][1:])}
        if not self._is_read(second, maps):
            return {"decoder": self.decoder.cost(second, maps, filters)}
        context = self.context.cost(first, maps, filters)
        return {"context": context, "decoder": self.decoder.cost(second, given, filters)}

    def cost(self, genotype: Genotype, maps: Mapping[int, Shape], filters: int) -> Cost:
        """The cost of both."""
        return sum(self.costs(genotype, maps, filters).values(), Cost(0, 0))

    def reads(self, strides: Collection[int]) -> tuple[int, ...]:
        """Of the strides that there are those that either reads."""
        return tuple(sorted({*self.context.reads(strides), *self.decoder.reads(strides)}))

    def reads_of(self, genotype: Genotype, strides: Collection[int]) -> tuple[int, ...]:
        """Of the strides that there are those that an architecture reads; that of a context is the
        coarsest, which the decoder reads, too, or neither does."""
        return self.decoder.read_by(self.split(genotype)[1], strides)

    def decision(self, position: int) -> str:
        """The name of a decision."""
        length = len(self.context.most_choices)
        if position < length:
            return f"context {self.context.decision(position)}"
        return f"decoder {self.decoder.decision(position - length)}"

    def sketch(self, genotype: Genotype) -> str:
        """Both in plain text."""
        first, second = self.split(genotype)
        parts = (
            ("context, of the coarsest map:", self.context.text(first)),
            ("decoder, whose coarsest map is that of the context:", self.decoder.text(second)),
        )
        return "\n".join(f"{head}\n{text}" for head, text in parts)

    def published(self) -> dict[str, Genotype]:
        """Every named architecture of the one with every one of the other."""
        return {
            f"{one}{JOIN}{other}": (*first, *second)
            for one, first in self.context.published.items()
            for other, second in self.decoder.published.items()
        }

    def _is_read(self, decoder: Genotype, strides: Collection[int]) -> bool:
        return max(strides) in self.decoder.read_by(decoder, strides)


def compose(context: Space, decoder: Space) -> Space:
    """The space of architectures of both. Raises `AtrousError` for spaces that cannot stand so."""
    require_joinable(context, decoder)
    both = Composition(context, decoder)
    return Space(
        name=f"{context.name}{JOIN}{decoder.name}",
        title=f"{context.title}, then {decoder.title}",
        rules=BothRules((context.rules, decoder.rules)),
        canonical=both.canonical,
        canonical_on=both.canonical_on,
        build=both.build,
        cost=both.cost,
        decision=both.decision,
        reads=both.reads,
        reads_of=both.reads_of if decoder.reads_of else None,
        decoder=decoder.decoder,
        sketch=both.sketch,
        published=both.published(),
        auxiliary=decoder.auxiliary,
    )


def require_joinable(context: Space, decoder: Space) -> None:
    """Raises `AtrousError` unless the one may stand before the plus sign, the other behind it."""
    deep, joined = max(STRIDES), f"{context.name}{JOIN}{decoder.name}"
    alone = (context, _read(context) == (deep,), "the coarsest map alone before")
    beside = (decoder, deep in _read(decoder), "the coarsest map behind")
    for space, fits, what in (alone, beside):
        if not fits:
            listed = " and ".join(map(str, _read(space)))
            told = f"maps at strides {listed}, where the coarsest is at {deep}"
            raise AtrousError(
                f"Expected a space that reads {what} the {JOIN} of {joined}, but {space.name} "
                f"reads {told if listed else 'images'}."
            )


def _read(space: Space) -> tuple[int, ...]:
    return () if space.encoder else space.reads(STRIDES)


def composed_family(context: Member, decoder: Member) -> Family:
    """The family of a composition: a search takes what the decoder's does, and trains the yardstick
    of the context beside its baselines."""
    known, beside = decoder.family.defaults, context.family.yardstick
    baselines = dict.fromkeys((*known.baselines, *((beside,) if beside else ())))
    return Family(
        name=f"{context.family.name}{JOIN}{decoder.family.name}",
        make=partial(compose, context.space, decoder.space),
        defaults=replace(
            known,
            baselines=tuple(baselines),
            # The context reads the deepest map, and may need it at a stride that its family has.
            output_stride=context.family.defaults.output_stride,
        ),
        yardstick=_joined_names(_own(context.family), _own(decoder.family)),
        view=_view(context, decoder),
    )


def _own(family: Family) -> str | None:
    """The yardstick of a family if it is one of its own, else the first that it has published."""
    own = [name for name in (family.yardstick,) if name and name.startswith(f"{family.name}:")]
    return next(iter([*own, *(f"{family.name}:{key}" for key in family.make().published)]), None)


def _joined_names(one: str | None, other: str | None) -> str | None:
    """The name of the architecture made of two named ones."""
    if one is None or other is None:
        return None
    pairs = zip(one.split(":"), other.split(":"), strict=True)
    return ":".join(JOIN.join(pair) for pair in pairs)


def _view(context: Member, decoder: Member) -> View:
    both = Composition(context.space, decoder.space)
    views = {"context": context.view, "decoder": decoder.view}

    def parts(architecture: Architecture) -> dict[str, Architecture]:
        first, second = both.split(architecture.genotype)
        one = Architecture(context.space.name, first)
        return {"context": one, "decoder": Architecture(decoder.space.name, second)}

    def words(architecture: Architecture) -> str:
        spelt = (f"{k}: {views[k].words(part)}" for k, part in parts(architecture).items())
        return "; ".join(spelt)

    def observed(architecture: Architecture) -> list[Observed]:
        return [
            (_grouped(name, group), choice)
            for name, part in parts(architecture).items()
            for group, choice in views[name].observed(part)
        ]

    def draw(architecture: Architecture) -> Drawing | None:
        # As cells are read upwards, the context is below.
        drawn = [views[k].draw(part) for k, part in reversed(parts(architecture).items())]
        found = [drawing for drawing in drawn if drawing]
        width = max((drawing.width for drawing in found), default=0)
        return Drawing("".join(drawing.svg for drawing in found), width) if found else None

    return View(
        noun="architecture",
        reading=" ".join(
            f"The {name}: {view.reading}" for name, view in reversed(views.items()) if view.reading
        ),
        shared=" and ".join(dict.fromkeys(view.shared for view in views.values())),
        words=words,
        observed=observed,
        order={_grouped(k, g): names for k, v in views.items() for g, names in v.order.items()},
        describe=partial(described, compose(context.space, decoder.space), pieces=both.costs),
        draw=draw,
    )


def _grouped(name: str, group: str) -> str:
    return f"{name.capitalize()}: {group[:1].lower()}{group[1:]}"
