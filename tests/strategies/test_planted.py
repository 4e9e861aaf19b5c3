"""A strategy that is broken finds no more than random search where the optimum is known."""

from __future__ import annotations

from functools import cache, partial
from itertools import product
from random import Random
from statistics import fmean

import pytest

from atrous.strategies import STRATEGIES, find_strategy
from tests.strategies.planted import COUNTS, found, problem, share_better, space

READS, REPLAYS = 100, 20
NO_BETTER = ("random", "nsga2")
"""Strategies of which docs/method.md says that so few trials are too few for them."""
QUICK = ("local", "evolution", "controller")
"""Strategies that take about a second for all replays."""
TOO_SLOW = ("gp",)
"""Strategies that take minutes for this, as docs/method.md says."""


def test_the_optimum_is_the_best_and_scores_are_standardised() -> None:
    task, rng = problem(3), Random(0)
    best = task.score(task.optimum)
    drawn = [task.score(space().sample(rng)) for _ in range(3000)]
    assert max(drawn) < best
    assert all(task.score(other) < best for other in space().neighbours(task.optimum))
    assert abs(fmean(drawn)) < 0.1
    assert abs(fmean(score * score for score in drawn) - 1) < 0.1
    pairs = product(range(COUNTS[0]), range(COUNTS[6]))
    changed = [(a, *task.optimum[1:6], b, *task.optimum[7:]) for a, b in pairs]
    assert max(map(task.score, changed)) == best


@cache
def replayed(name: str) -> list[float]:
    """The true scores of what a strategy finds, one for each replay."""
    return [found(partial(find_strategy, name), seed, READS) for seed in range(REPLAYS)]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow])
        for name in STRATEGIES
        if name not in NO_BETTER + TOO_SLOW
    ],
)
def test_each_finds_more_than_random_search_of_as_many_trials(name: str) -> None:
    assert share_better(replayed(name), replayed("random")) >= 0.8
