from __future__ import annotations

from random import Random
from typing import Any

import pytest

from atrous.core.strategy_config import SurrogateConfig
from atrous.strategies import surrogate as subject
from atrous.strategies.strategy import AnyStrategy, Stateless, remembered
from atrous.strategies.surrogate import Regression, Surrogate, encoded
from tests.spaces.toy import chain
from tests.strategies.histories import history, known, play, propose, result
from tests.strategies.planted import PAIR, Planted, problem, space

SPACE = space()


def surrogate(**options: Any) -> AnyStrategy:
    return Stateless(Surrogate(SurrogateConfig(**options)))


def read(task: Planted, count: int) -> Regression:
    rng = Random(0)
    drawn = [SPACE.sample(rng) for _ in range(count)]
    results = [result(n, g, task.score(g)) for n, g in enumerate(drawn)]
    return Regression.fitted(results, SPACE, "pairs")


def test_it_finds_the_best_of_what_it_has_not_seen() -> None:
    """Of 50 changed optima and the optimum itself."""
    task, rng = problem(0), Random(1)
    others = [SPACE.mutate(SPACE.mutate(task.optimum, rng), rng) for _ in range(50)]
    chosen = [*others, task.optimum]
    best = read(task, 400).sorted(chosen, SPACE, 0.0)[0]
    assert task.score(best) > sorted(map(task.score, others))[-5]


def test_rows_are_one_hot_also_where_lengths_differ() -> None:
    space = chain(3)
    rows = encoded([(0,), (1, 2, 0)], space)
    assert rows.tolist() == [[1, 0, 0, 0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 1, 1, 0, 0]]


def test_scores_of_other_rungs_are_compared_among_themselves() -> None:
    """The second rung scores 100 more, which says nothing of its members."""
    task, rng = problem(0), Random(0)
    drawn = [SPACE.sample(rng) for _ in range(200)]
    plain = [result(n, g, task.score(g)) for n, g in enumerate(drawn)]
    mixed = [
        result(r.number, r.genotype, (r.score or 0.0) + 100 * (r.number % 2), r.number % 2)
        for r in plain
    ]
    one, other = (Regression.fitted(r, SPACE, "pairs") for r in (plain, mixed))
    fresh = [SPACE.sample(rng) for _ in range(30)]
    assert task.score(other.sorted(fresh, SPACE, 0)[0]) > 0.5
    assert task.score(one.sorted(fresh, SPACE, 0)[0]) > 0.5


def test_decisions_are_opened_by_quarters() -> None:
    drawn, _ = play(surrogate(progressive=15), SPACE, 50, problem(0).score)
    ends = [max((k for k, c in enumerate(p.genotype) if c), default=-1) for p in drawn]
    assert [max(ends[n : n + 15]) < limit for n, limit in ((0, 3), (15, 6), (30, 9))] == [True] * 3
    assert max(ends) >= 9
    assert PAIR[1] < max(ends)


def test_a_model_is_fitted_seldom_where_there_are_many_results(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fits: list[int] = []
    plain = Regression.fitted

    def counted(results: Any, *rest: Any) -> Regression:
        fits.append(len(results))
        return plain(results, *rest)

    monkeypatch.setattr(subject.Regression, "fitted", counted)
    play(surrogate(pool=2), SPACE, 120, problem(0).score)
    assert fits == [*range(10, 50), *range(50, 120, 10)]


def test_before_the_first_model_proposals_are_uniform() -> None:
    assert propose(surrogate(), SPACE, history(SPACE, 9)).origin.kind == "uniform"
    assert propose(surrogate(), SPACE, history(SPACE, 10)).origin.kind == "predicted"


def test_what_is_remembered_of_a_history_is_made_once_for_a_key() -> None:
    made: list[int] = []

    def make() -> int:
        made.append(1)
        return len(made)

    one, other = known(SPACE, ()), known(SPACE, ())
    assert [remembered(one, 1, make), remembered(one, 1, make), remembered(one, 2, make)] == [
        1,
        1,
        2,
    ]
    assert remembered(other, 2, make) == 3
