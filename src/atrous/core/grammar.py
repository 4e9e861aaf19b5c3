"""A grammar of architectures, and everything that follows from it, once for all spaces.

A genotype is a sentence: a choice per decision. Which choices the next decision has depends on the
decisions so far through a state alone, so the completions of a state are counted once, however many
ways lead to it. Exact counts give every genotype a rank, and ranks give uniform draws.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from random import Random
from typing import Any, Protocol

from atrous.core.architecture import Architecture, Genotype
from atrous.core.errors import AtrousError

State = Any
"""All that is left to decide on, hashable: equal states have equal continuations."""


class Rules(Protocol):
    """Which choices the next decision has, given the decisions so far."""

    @property
    def start(self) -> State:
        """The state before the first decision."""

    def choices(self, state: State) -> int:
        """How many choices the next decision has; 0 when the architecture is complete."""

    def step(self, state: State, choice: int) -> State:
        """The state after `choice`, one of `range(choices(state))`."""


@dataclass(frozen=True)
class Independent:
    """Decisions whose choices do not depend on each other: `counts` are how many each has.

    The state is the number of decisions taken.
    """

    counts: tuple[int, ...]
    start: int = 0

    def choices(self, state: int) -> int:
        """How many choices decision number `state` has; 0 after the last."""
        return self.counts[state] if state < len(self.counts) else 0

    def step(self, state: int, choice: int) -> int:  # noqa: ARG002 (the choices are independent)
        """The number of decisions taken after one more."""
        return state + 1


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """The genotypes that some rules allow.

    Every genotype has a rank: its position in the lexicographic order of all genotypes. Counting,
    exactly uniform sampling and enumeration are arithmetic on ranks, in Python's unbounded
    integers. `decision` names a decision by its position.
    """

    name: str
    rules: Rules
    decision: Callable[[int], str] = "decision {}".format

    @cached_property
    def _known(self) -> dict[State, list[int]]:
        return {}

    def size(self) -> int:
        """The exact number of genotypes."""
        return self._completions(self.rules.start)

    def _completions(self, state: State) -> int:
        """How many ways there are to complete an architecture from `state`."""
        return self._before(state)[-1] or 1

    def _before(self, state: State) -> list[int]:
        """How many completions of a state come before those of each of its choices, and last how
        many there are: 0 alone where nothing is left to decide."""
        if state not in self._known:
            # Equal states have equal futures: each is counted once, however many ways lead to it.
            following = (self.rules.step(state, c) for c in range(self.rules.choices(state)))
            self._known[state] = list(accumulate(map(self._completions, following), initial=0))
        return self._known[state]

    def unrank(self, rank: int) -> Genotype:
        """The genotype at position `rank`, in 0 <= rank < size()."""
        if not 0 <= rank < self.size():
            raise IndexError(f"rank {rank} is outside 0 .. {self.size() - 1} of space {self.name}")
        state, genotype = self.rules.start, []
        while len(before := self._before(state)) > 1:
            genotype.append(bisect_right(before, rank) - 1)
            # All genotypes with an earlier choice here come before those with a later one.
            rank -= before[genotype[-1]]
            state = self.rules.step(state, genotype[-1])
        return tuple(genotype)

    def rank(self, genotype: Genotype) -> int:
        """The inverse of `unrank`."""
        self.validate(genotype)
        state, rank = self.rules.start, 0
        for choice in genotype:
            # All that agree so far and choose less here come before.
            rank += self._before(state)[choice]
            state = self.rules.step(state, choice)
        return rank

    def all(self) -> Iterator[Genotype]:
        """Every genotype, in lexicographic order."""
        return map(self.unrank, range(self.size()))

    def sample(self, rng: Random) -> Genotype:
        """A genotype drawn exactly uniformly."""
        return self.unrank(rng.randrange(self.size()))

    def is_valid(self, genotype: Genotype) -> bool:
        """Whether the grammar accepts the genotype as a complete architecture."""
        state = self.rules.start
        for choice in genotype:
            if not 0 <= choice < self.rules.choices(state):
                return False
            state = self.rules.step(state, choice)
        return self.rules.choices(state) == 0

    def validate(self, genotype: Genotype) -> None:
        """Raises `AtrousError` that names the first decision the grammar refuses."""
        state = self.rules.start
        for position, choice in enumerate(genotype):
            choices = self.rules.choices(state)
            if not 0 <= choice < choices:
                expected = f"one of 0 .. {choices - 1}" if choices else "no further decision"
                raise AtrousError(
                    f"Space {self.name}: expected {expected} at position {position} of "
                    f"{'.'.join(map(str, genotype))}, got {choice}."
                )
            state = self.rules.step(state, choice)
        if self.rules.choices(state):
            raise AtrousError(
                f"Space {self.name}: {'.'.join(map(str, genotype)) or 'an empty genotype'} ends "
                f"after {len(genotype)} decisions, but more are needed to complete an architecture."
            )

    def widths(self, genotype: Genotype) -> dict[str, int]:
        """How many choices each decision of the genotype had, by the decision's name."""
        state, widths = self.rules.start, {}
        for position, choice in enumerate(genotype):
            widths[self.decision(position)] = self.rules.choices(state)
            state = self.rules.step(state, choice)
        return widths

    def choices(self, prefix: Genotype) -> int:
        """Returns how many choices the decision after these has; 0 where none is left."""
        state = self.rules.start
        for choice in prefix:
            state = self.rules.step(state, choice)
        return self.rules.choices(state)

    def spell(self, pick: Callable[[int, int], int]) -> Genotype:
        """The genotype whose decisions `pick` takes, given each one's position and its number of
        choices."""
        state = self.rules.start
        genotype: list[int] = []
        while count := self.rules.choices(state):
            genotype.append(pick(len(genotype), count))
            state = self.rules.step(state, genotype[-1])
        return tuple(genotype)

    @cached_property
    def most_choices(self) -> tuple[int, ...]:
        """The most choices that each decision can have, in order: the shape of an encoding."""
        states, most = {self.rules.start}, []
        while counts := [c for state in states if (c := self.rules.choices(state))]:
            most.append(max(counts))
            following = [(s, c) for s in states for c in range(self.rules.choices(s))]
            states = {self.rules.step(state, choice) for state, choice in following}
        return tuple(most)

    def variants(self, genotype: Genotype, position: int) -> list[Genotype]:
        """The valid genotypes that differ from this one at `position` alone."""
        return list(self._variants(genotype, position))

    def _variants(
        self, genotype: Genotype, position: int, states: list[State] | None = None
    ) -> Iterator[Genotype]:
        states = states or self._states(genotype)
        for choice in range(self.rules.choices(states[position])):
            if choice != genotype[position] and self._continues(
                self.rules.step(states[position], choice), genotype, position + 1, states
            ):
                yield (*genotype[:position], choice, *genotype[position + 1 :])

    def _states(self, genotype: Genotype) -> list[State]:
        """The states before each decision of a genotype, and the last one."""
        return list(accumulate(genotype, self.rules.step, initial=self.rules.start))

    def _continues(
        self, state: State, genotype: Genotype, position: int, states: list[State]
    ) -> bool:
        """Whether the decisions from `position` on complete an architecture from another state."""
        for place in range(position, len(genotype)):
            # Equal states have equal futures, and from this one the genotype is complete.
            if state == states[place]:
                return True
            if genotype[place] >= self.rules.choices(state):
                return False
            state = self.rules.step(state, genotype[place])
        return self.rules.choices(state) == 0

    def neighbours(self, genotype: Genotype) -> list[Genotype]:
        """Every valid genotype that differs in exactly one decision."""
        positions = range(len(genotype))
        return [variant for p in positions for variant in self.variants(genotype, p)]

    def mutate(self, genotype: Genotype, rng: Random) -> Genotype:
        """A neighbour: a decision that can change drawn uniformly, then its new choice.

        The genotype itself if it has no neighbour.
        """
        positions, states = range(len(genotype)), self._states(genotype)
        movable = [p for p in positions if next(self._variants(genotype, p, states), None)]
        if not movable:
            return genotype
        return rng.choice(list(self._variants(genotype, rng.choice(movable), states)))

    def architecture(self, genotype: Genotype) -> Architecture:
        """The genotype as a record of this space."""
        self.validate(genotype)
        return Architecture(self.name, genotype)
