from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from atrous.core.architecture import Genotype, Limit
from atrous.search.history import History
from atrous.spaces import find_space
from atrous.spaces.dpc.space import dpc
from atrous.strategies.strategy import ExhaustedError, Stateless
from atrous.strategies.uniform import uniform
from tests.spaces.toy import walk
from tests.strategies.histories import history, play, proposals, propose, result

UNIFORM = Stateless(uniform)


def test_untried_architectures_are_equally_likely() -> None:
    """Chi-square with n - 1 degrees of freedom has mean n - 1 and variance 2 (n - 1)."""
    space = walk(4)
    tried = [result(n, genotype, 0.0) for n, genotype in enumerate(list(space.all())[:10])]
    left = list(space.all())[10:]
    drawn = Counter(p.genotype for p in proposals(UNIFORM, space, tried, 100 * len(left)))
    assert drawn.keys() == set(left)
    statistic = sum((drawn[g] - 100) ** 2 / 100 for g in left)
    degrees = len(left) - 1
    assert abs(statistic - degrees) < 3 * (2 * degrees) ** 0.5


def test_scores_change_nothing() -> None:
    space = dpc()
    seen = history(space, 20)
    failed = [result(o.number, o.genotype, None) for o in seen]
    for seed in range(5):
        by_score, by_none = (
            propose(UNIFORM, space, known, Random(seed)) for known in (seen, failed)
        )
        assert by_score == by_none
        assert str(by_score.origin) == "uniform"


def test_a_small_space_is_emptied_and_then_exhausted() -> None:
    space = dpc(1)
    _, seen = play(UNIFORM, space, 81, lambda _: None)
    assert {o.genotype for o in seen} == set(space.all())
    with pytest.raises(ExhaustedError, match="tried before"):
        propose(UNIFORM, space, seen)


def test_what_is_beyond_a_limit_is_not_proposed() -> None:
    space = find_space("dpc-1").at({16: (8, 5, 5)}, 4, (Limit.parse("parameters<=64"),))
    known, rng = History(space), Random(0)
    drawn = {uniform(space, known, rng).genotype for _ in range(60)}
    assert drawn
    assert all(space.analytic_cost(genotype).parameters <= 64 for genotype in drawn)
    costs = [space.analytic_cost(genotype).parameters for genotype in space.all()]
    assert max(costs) > 64
    none = find_space("dpc-1").at({16: (8, 5, 5)}, 4, (Limit.parse("multiply-adds<=0"),))
    with pytest.raises(ExhaustedError, match="beyond a --limit"):
        uniform(none, known, rng)


def test_what_has_to_be_measured_is_asked_last_and_not_for_ever() -> None:
    """Of cells that are cheap by count, and of a few hundred where none is within the limit."""
    asked: list[Genotype] = []

    def refuse(genotype: Genotype) -> bool:
        asked.append(genotype)
        return False

    limit = Limit.parse("multiply-adds<=10k")
    space = replace(find_space("dpc").at({16: (8, 5, 5)}, 4, (limit,)), affords=refuse)
    with pytest.raises(ExhaustedError, match="200 draws"):
        propose(Stateless(uniform), space, [])
    assert len(asked) == 200
    assert all(space.analytic_cost(genotype).multiply_adds <= 1e4 for genotype in asked)


@pytest.mark.parametrize("text", ["", "parameters", "miou<=1", "parameters<=-1", "parameters<=x"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="parameters<=300k"):
        Limit.parse(text)
