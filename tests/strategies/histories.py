"""Histories of trials for strategies to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from atrous.core.architecture import Architecture, Genotype
from atrous.core.trial import Job, Origin, Rung, Trial
from atrous.search.history import History
from atrous.spaces.space import Space
from atrous.strategies.strategy import AnyStrategy, Proposal, Result

ANY = "any"
"""The space of the trials, whichever it is."""


def result(
    number: int, genotype: Genotype, score: float | None, level: int = 0, kind: str = "uniform"
) -> Result:
    """A trial that has ended on a rung."""
    return Result(Trial(number, Architecture(ANY, genotype), Origin(kind), 0), level, score)


def known(space: Space, results: Iterable[Result]) -> History:
    """The history of these results, in their order."""
    history = History(replace(space, name=ANY))
    for each in results:
        history.begin(Job(each.trial, Rung(each.level, 1)))
        history.learn(each)
    return history


def history(space: Space, count: int, seed: int = 0) -> list[Result]:
    """Trials of random architectures with scores in random order."""
    rng = Random(seed)
    return [result(n, space.sample(rng), rng.random()) for n in range(count)]


def propose(
    strategy: AnyStrategy, space: Space, seen: Sequence[Result], rng: Random | None = None
) -> Proposal:
    """What a strategy proposes next that has learnt from these results."""
    state: Any = strategy.update(strategy.begin(), seen)
    return strategy.propose(state, space, known(space, seen), rng or Random(0))


def proposals(
    strategy: AnyStrategy, space: Space, seen: Sequence[Result], count: int
) -> list[Proposal]:
    """What a strategy would propose next, by `count` generators."""
    state: Any = strategy.update(strategy.begin(), seen)
    found = known(space, seen)
    return [strategy.propose(state, space, found, Random(seed)) for seed in range(count)]


def play(
    strategy: AnyStrategy,
    space: Space,
    count: int,
    score: Callable[[Genotype], float | None],
    seed: int = 0,
    wanted: Callable[[Genotype], tuple[float, ...]] = lambda _: (),
) -> tuple[list[Proposal], list[Result]]:
    """A whole search: `count` proposals, each knowing the scores of all before, and what else is
    `wanted`."""
    seen, state = known(space, ()), strategy.begin()
    proposed: list[Proposal] = []
    for number in range(count):
        proposed.append(strategy.propose(state, space, seen, Random(f"{seed}/{number}")))
        genotype = proposed[-1].genotype
        trial = Trial(number, Architecture(ANY, genotype), proposed[-1].origin, 0)
        found = Result(trial, 0, score(genotype), wanted(genotype))
        seen.begin(Job(found.trial, Rung(0, 1)))
        seen.learn(found)
        state = strategy.update(state, [found])
    return proposed, list(seen.since(0))


class Counting(History):
    """A history that counts the results that are looked at, and the forms that are asked for."""

    def __init__(self, space: Space, results: Iterable[Result]) -> None:
        super().__init__(replace(space, name=ANY))
        for each in results:
            self.begin(Job(each.trial, Rung(each.level, 1)))
            self.learn(each)
        self.work = 0

    def seen(self, form: Genotype) -> bool:
        self.work += 1
        return super().seen(form)

    def _at(self, place: Any) -> Result:
        self.work += 1
        return super()._at(place)

    def since(self, known: int, until: int | None = None) -> Sequence[Result]:
        found = super().since(known, until)
        self.work += len(found)
        return found

    def last(self, count: int) -> Sequence[Result]:
        self.work += count
        return super().last(count)
