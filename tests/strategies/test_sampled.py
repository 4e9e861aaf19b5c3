from __future__ import annotations

from typing import Any

import pytest

from atrous.core.architecture import Genotype
from atrous.core.strategy_config import GpConfig, Nsga2Config, TpeConfig
from atrous.strategies.sampled import AnyConfig, Sampled
from atrous.strategies.strategy import AnyStrategy, Stateless
from tests.spaces.toy import chain, walk
from tests.strategies.histories import history, known, play, propose, result
from tests.strategies.planted import MAPS, problem, space

SPACE = space()
ALL = (TpeConfig(initial=3), Nsga2Config(initial=3, population=4))
every = pytest.mark.parametrize("how", ALL, ids=["tpe", "nsga2"])


def sampled(how: AnyConfig) -> AnyStrategy:
    return Stateless(Sampled(how))


@every
def test_proposals_are_of_the_sampler_after_the_first(how: AnyConfig) -> None:
    proposed, _ = play(sampled(how), SPACE, 12, problem(0).score)
    assert [p.origin.kind for p in proposed[:3]] == ["uniform"] * 3
    assert len({p.origin.kind for p in proposed[3:]} - {"uniform"}) == 1


@every
@pytest.mark.parametrize("name", ["walk", "chain"])
def test_choices_that_depend_on_others_and_lengths_that_differ_are_proposed(
    how: AnyConfig, name: str
) -> None:
    space = {"walk": walk(6), "chain": chain(5)}[name].at(MAPS, 8)
    proposed, _ = play(sampled(how), space, 40, lambda genotype: float(sum(genotype)))
    assert all(space.is_valid(p.genotype) for p in proposed)
    late = [sum(p.genotype) for p in proposed[20:]]
    assert max(late) >= 5


def test_a_gaussian_process_proposes_what_is_near_the_best() -> None:
    space = chain(3).at(MAPS, 8)
    proposal = propose(sampled(GpConfig(initial=3)), space, history(space, 4))
    assert proposal.origin.kind == "gp"
    assert space.is_valid(proposal.genotype)


def test_the_study_holds_the_latest_results_of_the_first_rung_with_a_score() -> None:
    strategy = Sampled(TpeConfig(entries=20))
    seen = history(SPACE, 47)
    seen[40] = result(40, seen[40].genotype, None)
    seen[41] = result(41, seen[41].genotype, 0.5, level=1)
    studies: Any = strategy._study(SPACE, known(SPACE, seen), _space_of())
    assert [t.value for t in studies.trials] == [
        r.score for r in seen[28:] if r.score is not None and not r.level
    ]


def test_where_several_are_wanted_the_score_is_one_number_among_them() -> None:
    """The score is the same everywhere, and would lead nowhere."""

    def wanted(genotype: Genotype) -> tuple[float, ...]:
        return 1.0, -float(SPACE.analytic_cost(genotype).multiply_adds)

    how = Nsga2Config(initial=3, population=6)
    proposed, _ = play(sampled(how), SPACE, 90, lambda _: 1.0, 1, wanted)
    costs = [SPACE.analytic_cost(p.genotype).multiply_adds for p in proposed]
    assert sum(costs[60:]) < sum(costs[:30])


def _space_of() -> Any:
    from atrous.strategies.sampled import _distributions

    return _distributions(SPACE)
