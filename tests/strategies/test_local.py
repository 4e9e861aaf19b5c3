from __future__ import annotations

from typing import Any

import pytest

from atrous.core.architecture import Genotype
from atrous.core.trial import Origin
from atrous.spaces.dpc.space import dpc
from atrous.spaces.space import Space
from atrous.strategies.local import LocalSearch
from atrous.strategies.strategy import AnyStrategy, ExhaustedError, Stateless
from tests.spaces.toy import chain, walk
from tests.strategies.histories import history, play, proposals, propose, result

SPACE = dpc()


def local(**parameters: Any) -> AnyStrategy:
    return Stateless(LocalSearch(**parameters))


def distance(first: Genotype, second: Genotype) -> int:
    assert len(first) == len(second)
    return sum(a != b for a, b in zip(first, second, strict=True))


def parent_of(origin: Origin) -> int:
    assert origin.kind == "near"
    (number,) = origin.parents
    return number


def test_proposals_are_uniform_while_there_are_few_trials() -> None:
    strategy = local(warmup=6, uniform=0.0)
    for count in range(6):
        origins = {str(p.origin) for p in proposals(strategy, SPACE, history(SPACE, count), 20)}
        assert origins == {"uniform"}
    assert "uniform" not in {
        str(p.origin) for p in proposals(strategy, SPACE, history(SPACE, 6), 20)
    }


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_after_that_a_share_is_uniform(share: float) -> None:
    drawn = proposals(local(uniform=share), SPACE, history(SPACE, 12), 600)
    found = sum(p.origin.kind == "uniform" for p in drawn) / 600
    assert abs(found - share) <= 4 * (share * (1 - share) / 600) ** 0.5


@pytest.mark.parametrize("space", [SPACE, walk(12)], ids=["cells", "walk"])
def test_near_proposals_are_within_reach_of_one_of_the_best(space: Space) -> None:
    seen = history(space, 30)
    best = sorted(seen, key=lambda o: o.score or 0, reverse=True)[:4]
    drawn = proposals(local(uniform=0, parents=4, mutations=3), space, seen, 300)
    distances = set()
    for proposal in drawn:
        parent = seen[parent_of(proposal.origin)]
        distances.add(distance(parent.genotype, proposal.genotype))
        assert space.is_valid(proposal.genotype)
    assert distances == {1, 2, 3}
    assert {parent_of(p.origin) for p in drawn} == {o.number for o in best}


def test_parents_are_equally_likely() -> None:
    drawn = proposals(local(uniform=0, parents=3), SPACE, history(SPACE, 15), 600)
    origins = [p.origin for p in drawn]
    assert len(set(origins)) == 3
    assert all(abs(origins.count(o) - 200) < 4 * 12 for o in set(origins))


def test_of_equal_scores_the_earlier_trial_is_the_better() -> None:
    seen = [result(o.number, o.genotype, 0.5) for o in history(SPACE, 12)]
    drawn = proposals(local(uniform=0, parents=2), SPACE, seen, 40)
    assert {parent_of(p.origin) for p in drawn} == {0, 1}


def test_one_mutation_gives_neighbours() -> None:
    seen = history(SPACE, 12)
    for proposal in proposals(local(uniform=0, mutations=1), SPACE, seen, 50):
        parent = seen[parent_of(proposal.origin)]
        assert distance(parent.genotype, proposal.genotype) == 1


def test_one_and_two_mutations_are_equally_likely() -> None:
    """Half are one mutation; of two, 1 in 9 hits the same decision, as the first input is fixed."""
    seen = history(SPACE, 12)
    drawn = proposals(local(uniform=0, mutations=2), SPACE, seen, 400)
    single = sum(distance(seen[parent_of(p.origin)].genotype, p.genotype) == 1 for p in drawn)
    assert abs(single / 400 - (1 / 2 + 1 / 18)) < 4 * 0.025


def test_trials_without_a_score_are_never_parents() -> None:
    seen = [
        result(o.number, o.genotype, o.score if o.number in (3, 8) else None)
        for o in history(SPACE, 20)
    ]
    drawn = proposals(local(uniform=0), SPACE, seen, 60)
    assert {parent_of(p.origin) for p in drawn} == {3, 8}


def test_with_no_score_at_all_proposals_are_uniform() -> None:
    seen = [result(o.number, o.genotype, None) for o in history(SPACE, 20)]
    assert {str(p.origin) for p in proposals(local(uniform=0), SPACE, seen, 20)} == {"uniform"}


def test_a_score_of_zero_is_a_score() -> None:
    seen = [result(o.number, o.genotype, None) for o in history(SPACE, 20)]
    seen[7] = result(7, seen[7].genotype, 0.0)
    drawn = proposals(local(uniform=0), SPACE, seen, 20)
    assert {str(p.origin) for p in drawn} == {"near 7"}


def test_where_all_around_the_best_is_tried_it_looks_elsewhere() -> None:
    best = SPACE.published["top1"]
    tried = [best, *SPACE.neighbours(best)]
    seen = [result(n, g, 1.0 if n == 0 else None) for n, g in enumerate(tried)]
    strategy = local(uniform=0, mutations=1)
    assert {str(p.origin) for p in proposals(strategy, SPACE, seen, 2)} == {"uniform"}


def test_a_best_without_neighbours_does_not_stop_the_search() -> None:
    space = chain(4)
    seen = [result(0, (0,), 1.0)]  # the empty chain: nothing differs from it in one decision
    drawn = proposals(local(warmup=0, uniform=0), space, seen, 20)
    assert {str(p.origin) for p in drawn} == {"uniform"}


def test_a_small_space_is_emptied_and_then_exhausted() -> None:
    _, seen = play(local(), dpc(1), 81, lambda genotype: float(genotype[1]))
    assert {o.genotype for o in seen} == set(dpc(1).all())
    with pytest.raises(ExhaustedError):
        propose(local(), dpc(1), seen)


def test_it_climbs_where_uniform_search_does_not() -> None:
    """Towards a known cell: the score is the number of decisions in agreement with it."""
    target = SPACE.published["top1"]

    def agreement(genotype: Genotype) -> float:
        return float(len(target) - distance(genotype, target))

    def late_scores(strategy: AnyStrategy) -> float:
        return sum(o.score or 0.0 for o in play(strategy, SPACE, 120, agreement)[1][80:]) / 40

    assert late_scores(local()) > late_scores(local(uniform=1.0)) + 1
