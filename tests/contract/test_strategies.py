"""What every strategy of the registry keeps, on every space of the registry."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import pytest

from atrous.core.architecture import Genotype
from atrous.core.records import from_json, to_json
from atrous.spaces import FAMILIES, find_space
from atrous.spaces.space import Shape, Space
from atrous.strategies import STRATEGIES, find_strategy
from atrous.strategies.strategy import AnyStrategy, ExhaustedError
from tests.strategies.histories import Counting, history, known, play, propose, result
from tests.strategies.learning import Preferring

MEMBERS: Mapping[str, Callable[[], AnyStrategy]] = {**STRATEGIES, "preferring": Preferring}
SLOW = ("gp",)
"""Strategies that take a second for a proposal."""
every_strategy = pytest.mark.parametrize(
    "strategy",
    [
        pytest.param(make(), id=name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name, make in MEMBERS.items()
    ],
)
NAMES = (*FAMILIES, "dpc-3+fast_dense")
MAPS: Mapping[int, Shape] = {4: (3, 17, 25), 8: (5, 9, 13), 16: (6, 5, 7)}


def searched(name: str) -> Space:
    """A space as a search has it, which knows what an architecture costs; forms that are asked for
    again are not computed again."""
    found = find_space(name)
    found = found.at({1: (3, 65, 97)} if found.encoder else MAPS, 4)
    return replace(found, canonical=cache(found.canonical))


SPACES = [found for name in NAMES if (found := searched(name)).size() > 1000]
"""Those that are searched, and not gone through."""
every_space = pytest.mark.parametrize("space", SPACES, ids=[space.name for space in SPACES])


def score(genotype: Genotype) -> float | None:
    """Some failures, and otherwise something to climb."""
    return None if sum(genotype) % 5 == 0 else sum(genotype) / 100


@every_strategy
@every_space
def test_the_same_arguments_give_the_same_proposal(strategy: AnyStrategy, space: Space) -> None:
    for count in (0, 5, 24):
        seen = history(space, count)
        before = list(seen)
        first = propose(strategy, space, seen, Random("7/3"))
        propose(strategy, space, history(space, 9, seed=1), Random(1))
        assert propose(strategy, space, tuple(seen), Random("7/3")) == first
        assert seen == before


@every_strategy
@every_space
def test_a_resumed_search_goes_on_as_an_uninterrupted_one(
    strategy: AnyStrategy, space: Space
) -> None:
    """Its history is built again and its state read from a file, by another object. All that is
    proposed is of the space."""
    proposed, seen = play(strategy, space, 20, score)
    assert all(space.is_valid(p.genotype) and p.origin.kind for p in proposed)
    for stop in (1, 12, 19):
        state: Any = strategy.update(strategy.begin(), seen[:stop])
        if state is not None:
            state = from_json(type(state), to_json(state))
        again, rng = copy.copy(strategy), Random(f"0/{stop}")
        assert again.propose(state, space, known(space, seen[:stop]), rng) == proposed[stop]


@every_strategy
@pytest.mark.parametrize("name", ["dpc", "dpc-2", "dpc-1"])
def test_no_architecture_is_proposed_twice(strategy: AnyStrategy, name: str) -> None:
    found = searched(name)
    _, seen = play(strategy, found, 80, score)
    assert len({found.canonical(o.genotype) for o in seen}) == 80


@every_strategy
@every_space
def test_a_failed_or_unfinished_trial_is_not_proposed_again(
    strategy: AnyStrategy, space: Space
) -> None:
    genotype = propose(strategy, space, [], Random(3)).genotype
    again = propose(strategy, space, [result(0, genotype, None)], Random(3)).genotype
    assert space.canonical(again) != space.canonical(genotype)


@every_strategy
def test_generators_of_other_trials_give_other_proposals(
    strategy: AnyStrategy, request: pytest.FixtureRequest
) -> None:
    """A Gaussian process proposes what it expects most of, where chance only says from where it
    begins to look."""
    space = searched("dpc")
    seen = history(space, 20)
    drawn = {propose(strategy, space, seen, Random(f"0/{n}")).genotype for n in range(20)}
    assert len(drawn) > (1 if request.node.callspec.id == "gp" else 10)


@every_strategy
def test_when_everything_was_tried_it_says_so(strategy: AnyStrategy) -> None:
    space = searched("dpc-1")
    seen = [result(n, g, score(g)) for n, g in enumerate(space.all())]
    with pytest.raises(ExhaustedError):
        propose(strategy, space, seen)


@every_strategy
@every_space
def test_a_state_does_not_depend_on_how_results_are_divided(
    strategy: AnyStrategy, space: Space
) -> None:
    seen, rng = history(space, 30), Random(0)
    expected: Any = strategy.update(strategy.begin(), seen)
    for _ in range(5):
        state: Any = strategy.begin()
        cuts = sorted(rng.sample(range(31), 4))
        for start, end in zip([0, *cuts], [*cuts, 30], strict=True):
            state = strategy.update(state, seen[start:end])
        assert state == expected


@every_strategy
@every_space
def test_a_state_is_a_record_that_a_file_can_hold(strategy: AnyStrategy, space: Space) -> None:
    state: Any = strategy.update(strategy.begin(), history(space, 20))
    if state is not None:
        assert from_json(type(strategy.begin()), to_json(state)) == state


@every_strategy
def test_a_proposal_costs_no_more_at_the_end_than_at_the_start(strategy: AnyStrategy) -> None:
    """In canonical forms that are computed and results that are looked at: a model is of the latest
    1,000 at most."""

    def work(trials: int) -> int:
        space = searched("dpc")
        seen = Counting(space, history(space, trials))
        state: Any = strategy.begin()
        for number in range(20):
            strategy.propose(state, space, seen, Random(number))
        return seen.work

    assert work(3000) <= work(1200) + 20


def test_each_is_found_by_its_name() -> None:
    for name, make in STRATEGIES.items():
        assert find_strategy(name) == make()
