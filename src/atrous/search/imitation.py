"""Imitation of an expert: how alike others are to an architecture that is known to be made well.

Guo et al. 2019 ("IRLAS") add to what an architecture scores how alike its structure is to that of
an expert, by a reward that inverse reinforcement learning finds; neither their features nor their
weight are published. Here an architecture is an episode: the decisions of its canonical form, one
after another. A state tells what was decided last, and what was decided at any place of this kind:
`cell layer 1: operation 0` is of the kind of `cell layer 2: operation 1`. All decisions count
alike: an episode ends, and needs no discount. The reward is linear in these features, and found by
the projection method of Abbeel and Ng 2004, section 3.1, from uniformly drawn architectures on, up
to the first under which no architecture has more than the expert.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from random import Random

from atrous.core.architecture import Architecture, Genotype
from atrous.core.errors import AtrousError
from atrous.core.grammar import State
from atrous.spaces import find_architecture
from atrous.spaces.space import Space

SIMILARITY, IMITATION = "similarity", "imitation"
"""Values of a trial: how alike it is to the expert, and what that adds for those who propose."""
DRAWN, ROUNDS = 256, 2000
"""So many architectures stand for all; so many projections are enough in every family."""

Feature = tuple[str, int]
"""A decision, or a kind of decisions, and what was chosen."""
Vector = Mapping[Feature, float]
"""Numbers by feature; the others are 0."""


@dataclass(frozen=True)
class Imitation:
    """Says how alike architectures of a space are to an expert: 1 of the expert and less of all
    others, 0 of uniformly drawn ones on average. `weight` standard deviations of the scores are
    what a similarity of 1 is worth. `reward` has the expert for its best architecture, `usual` is
    what it gives on average, and `most` what it gives the expert beyond that; `lengths` are the
    distances from the expert's features, one for each projection: they never grow."""

    space: Space
    weight: float
    reward: Vector
    usual: float
    most: float
    lengths: tuple[float, ...]

    def similarity(self, architecture: Architecture) -> float | None:
        """Returns how alike an architecture is to the expert; `None` for one of another space."""
        if architecture.space != self.space.name:
            return None
        features = visited(self.space, self.space.canonical(architecture.genotype))
        return (_product(self.reward, features) - self.usual) / self.most


def expert_of(space: Space, name: str) -> Genotype:
    """Returns the architecture of a name, or what the space has in its place; raises `AtrousError`
    if it has nothing like it."""
    found = find_architecture(name)
    if found.space == space.name:
        return found.genotype
    for known, genotype in space.likened.items():
        if find_architecture(known) == found:
            return genotype
    able = [*space.likened, *(f"{space.name}:{known}" for known in space.published)]
    raise AtrousError(
        f"--imitate: {name} is no architecture of {space.name}, and that has none in its place. "
        f"Take {', '.join([*able, 'a genotype of it'])}."
    )


def read_imitation(text: str) -> tuple[str, float]:
    """Returns the name of an expert and its weight, 1 where none follows (`fpn`, `fpn:0.5`); raises
    `AtrousError`."""
    name, colon, last = text.rpartition(":")
    try:
        find_architecture(text)
        return text, 1.0
    except AtrousError:
        if not colon or not re.fullmatch(r"\d+(\.\d+)?|\.\d+", last):
            raise
    if not float(last):
        raise AtrousError(f"--imitate: expected a weight above 0, got {text!r}.")
    find_architecture(name)
    return name, float(last)


def imitation(space: Space, expert: Genotype, weight: float) -> Imitation:
    """Returns how alike architectures are to an expert: the projection method, from the mean of
    uniformly drawn ones to the first reward under which the expert is the best."""
    target = visited(space, space.canonical(expert))
    rng = Random(0)
    drawn = [visited(space, space.canonical(space.sample(rng))) for _ in range(DRAWN)]
    usual = _sum((each, 1 / DRAWN) for each in drawn)
    nearest, reward, lengths = usual, _sum([(target, 1), (usual, -1)]), list[float]()
    for _ in range(ROUNDS):
        lengths.append(_length(_sum([(target, 1), (nearest, -1)])))
        if not lengths[-1]:
            break
        reward = _sum([(target, 1), (nearest, -1)])
        best = visited(space, most_rewarded(space, reward))
        # Of the line through what was reached and the best of this reward, the point nearest to the
        # expert: it is the expert itself as soon as that is the best.
        way = _sum([(best, 1), (nearest, -1)])
        nearest = (
            target
            if best == target
            else _sum([(nearest, 1), (way, _product(way, reward) / _product(way, way))])
        )
    origin = _product(reward, usual)
    most = _product(reward, target) - origin or 1.0  # 0 where there is one architecture
    return Imitation(space, weight, reward, origin, most, tuple(lengths))


def visited(space: Space, genotype: Genotype) -> Vector:
    """Returns the features of an architecture, summed over its decisions."""
    kinds, state, found = _kinds(space), space.rules.start, Counter[Feature]()
    for place, choice in enumerate(genotype):
        found.update(kinds[place].features(choice, space.rules.choices(state)))
        state = space.rules.step(state, choice)
    return found


def most_rewarded(space: Space, reward: Vector) -> Genotype:
    """Returns the genotype with the most reward of all that the grammar allows."""
    kinds, rules = _kinds(space), space.rules
    known: dict[tuple[int, State], tuple[float, Genotype]] = {}

    def ahead(place: int, state: State) -> tuple[float, Genotype]:
        if (place, state) not in known:
            count = rules.choices(state)
            best: tuple[float, Genotype] = 0.0, ()
            for choice in range(count):
                more, rest = ahead(place + 1, rules.step(state, choice))
                worth = more + sum(reward.get(f, 0.0) for f in kinds[place].features(choice, count))
                if not choice or worth > best[0]:
                    best = worth, (choice, *rest)
            known[place, state] = best
        return known[place, state]

    return ahead(0, rules.start)[1]


@dataclass(frozen=True)
class _Decision:
    """The name of a decision and its kind, the name without numbers, empty where it is the only
    one. Where a kind has more choices at later places, these are maps made so far, and count from
    the newest."""

    name: str
    kind: str
    grows: bool

    def features(self, choice: int, count: int) -> list[Feature]:
        own = (self.name, choice)
        return [own, (self.kind, choice - count if self.grows else choice)] if self.kind else [own]


def _kinds(space: Space) -> list[_Decision]:
    names = [space.decision(place) for place in range(len(space.most_choices))]
    kinds = [re.sub(r"\d+", "*", name) for name in names]
    counts: dict[str, set[int]] = {}
    for kind, count in zip(kinds, space.most_choices, strict=True):
        counts.setdefault(kind, set()).add(count)
    shared = Counter(kinds)
    return [
        _Decision(name, kind if shared[kind] > 1 else "", len(counts[kind]) > 1)
        for name, kind in zip(names, kinds, strict=True)
    ]


def _sum(terms: Iterable[tuple[Vector, float]]) -> Vector:
    """Vectors, each times a number, added up."""
    found: dict[Feature, float] = {}
    for vector, factor in terms:
        for feature, value in vector.items():
            found[feature] = found.get(feature, 0.0) + factor * value
    return found


def _product(one: Vector, other: Vector) -> float:
    return sum(value * other.get(feature, 0.0) for feature, value in one.items())


def _length(vector: Vector) -> float:
    return sqrt(_product(vector, vector))
