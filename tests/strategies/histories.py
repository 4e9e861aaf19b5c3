"""Histories of trials for strategies to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from atrous.core.architecture import Genotype
from atrous.spaces.space import Space
from atrous.strategies.strategy import Observation, Proposal, Strategy


def history(space: Space, count: int, seed: int = 0) -> list[Observation]:
    """Trials of random architectures with scores in random order."""
    rng = Random(seed)
    return [Observation(n, space.sample(rng), rng.random()) for n in range(count)]


def proposals(
    strategy: Strategy, space: Space, seen: Sequence[Observation], count: int
) -> list[Proposal]:
    """What a strategy would propose next, by `count` generators."""
    return [strategy.propose(space, seen, Random(seed)) for seed in range(count)]


def play(
    strategy: Strategy,
    space: Space,
    count: int,
    score: Callable[[Genotype], float | None],
    seed: int = 0,
) -> tuple[list[Proposal], list[Observation]]:
    """A whole search: `count` proposals, each knowing the scores of all before."""
    seen: list[Observation] = []
    proposed: list[Proposal] = []
    for number in range(count):
        proposed.append(strategy.propose(space, seen, Random(f"{seed}/{number}")))
        genotype = proposed[-1].genotype
        seen.append(Observation(number, genotype, score(genotype)))
    return proposed, seen
