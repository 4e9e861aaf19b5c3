"""What every strategy of the registry keeps, on every space of the registry."""

from __future__ import annotations

import pickle
from random import Random

import pytest

from atrous.core.architecture import Genotype
from atrous.spaces import FAMILIES, find_space
from atrous.spaces.space import Space
from atrous.strategies import STRATEGIES, find_strategy
from atrous.strategies.strategy import ExhaustedError, Observation, Strategy
from tests.strategies.histories import history, play

every_strategy = pytest.mark.parametrize(
    "strategy", [m() for m in STRATEGIES.values()], ids=list(STRATEGIES)
)
every_space = pytest.mark.parametrize(
    "space", [f.make() for f in FAMILIES.values()], ids=list(FAMILIES)
)


def score(genotype: Genotype) -> float | None:
    """Some failures, and otherwise something to climb."""
    return None if sum(genotype) % 5 == 0 else sum(genotype) / 100


@every_strategy
@every_space
def test_the_same_arguments_give_the_same_proposal(strategy: Strategy, space: Space) -> None:
    for count in (0, 5, 40):
        seen = history(space, count)
        before = list(seen)
        first = strategy.propose(space, seen, Random("7/3"))
        strategy.propose(space, history(space, 9, seed=1), Random(1))
        assert strategy.propose(space, tuple(seen), Random("7/3")) == first
        assert pickle.loads(pickle.dumps(strategy)).propose(space, seen, Random("7/3")) == first
        assert seen == before


@every_strategy
@every_space
def test_proposals_are_architectures_of_the_space(strategy: Strategy, space: Space) -> None:
    proposed, _ = play(strategy, space, 60, score)
    assert all(space.is_valid(p.genotype) for p in proposed)
    assert all(p.origin for p in proposed)


@every_strategy
@pytest.mark.parametrize("space", ["dpc", "dpc-2", "dpc-1"])
def test_no_architecture_is_proposed_twice(strategy: Strategy, space: str) -> None:
    found = find_space(space)
    _, seen = play(strategy, found, 80, score)
    assert len({found.canonical(o.genotype) for o in seen}) == 80


@every_strategy
@every_space
def test_a_failed_or_unfinished_trial_is_not_proposed_again(
    strategy: Strategy, space: Space
) -> None:
    genotype = strategy.propose(space, [], Random(3)).genotype
    again = strategy.propose(space, [Observation(0, genotype, None)], Random(3)).genotype
    assert space.canonical(again) != space.canonical(genotype)


@every_strategy
def test_generators_of_other_trials_give_other_proposals(strategy: Strategy) -> None:
    space = find_space("dpc")
    seen = history(space, 20)
    drawn = {strategy.propose(space, seen, Random(f"0/{n}")).genotype for n in range(20)}
    assert len(drawn) > 15


@every_strategy
def test_when_everything_was_tried_it_says_so(strategy: Strategy) -> None:
    space = find_space("dpc-1")
    seen = [Observation(n, g, score(g)) for n, g in enumerate(space.all())]
    with pytest.raises(ExhaustedError):
        strategy.propose(space, seen, Random(0))


@pytest.mark.parametrize("name", STRATEGIES)
def test_it_is_found_by_its_name(name: str) -> None:
    assert find_strategy(name) == STRATEGIES[name]()
