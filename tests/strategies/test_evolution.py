from __future__ import annotations

from typing import Any

from atrous.core.strategy_config import EvolutionConfig
from atrous.spaces.dpc.space import dpc
from atrous.strategies.evolution import Evolution, alive
from atrous.strategies.strategy import AnyStrategy, Stateless
from tests.strategies.histories import history, known, proposals, result

SPACE = dpc()


def evolution(**options: Any) -> AnyStrategy:
    return Stateless(Evolution(EvolutionConfig(**options)))


def test_the_latest_with_a_score_are_alive_each_once_and_no_baseline() -> None:
    seen = history(SPACE, 12)
    seen[9] = result(9, seen[9].genotype, None)
    seen[10] = result(10, seen[10].genotype, 0.9, kind="baseline")
    seen.append(result(7, seen[7].genotype, 0.4, level=1))
    living = alive(known(SPACE, seen), 4)
    assert [(each.number, each.level) for each in living] == [(6, 0), (7, 1), (8, 0), (11, 0)]


def test_the_old_are_no_parents_however_good() -> None:
    seen = history(SPACE, 40)
    seen[3] = result(3, seen[3].genotype, 100.0)
    drawn = proposals(evolution(population=10, tournament=10), SPACE, seen, 20)
    best = max(seen[30:], key=lambda each: each.score or 0.0)
    assert {p.origin.parents for p in drawn} == {(best.number,)}


def test_the_smaller_the_tournament_the_more_have_children() -> None:
    seen = history(SPACE, 40)
    one, five = (
        proposals(evolution(population=20, tournament=size), SPACE, seen, 200) for size in (1, 5)
    )
    assert {p.origin.parents for p in one} == {(number,) for number in range(20, 40)}
    worst = sorted(seen[20:], key=lambda each: each.score or 0.0)[:4]
    assert not {p.origin.parents for p in five} & {(each.number,) for each in worst}


def test_a_child_differs_in_one_decision_or_more_where_all_such_were_tried() -> None:
    best = SPACE.published["top1"]
    seen = [result(0, best, 1.0)]
    for proposal in proposals(evolution(initial=1), SPACE, seen, 30):
        assert proposal.genotype in SPACE.neighbours(best)
    tried = [*seen, *(result(n + 1, g, None) for n, g in enumerate(SPACE.neighbours(best)))]
    strategy = evolution(initial=1, population=len(tried))
    assert {str(p.origin) for p in proposals(strategy, SPACE, tried, 5)} == {"near 0"}


def test_the_first_are_uniform() -> None:
    drawn = proposals(evolution(initial=8), SPACE, history(SPACE, 7), 10)
    assert {str(p.origin) for p in drawn} == {"uniform"}
