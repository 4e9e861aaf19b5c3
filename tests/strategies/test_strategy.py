from __future__ import annotations

from collections.abc import Iterator

import pytest

from atrous.core.architecture import Genotype
from atrous.core.errors import AtrousError
from atrous.core.strategy_config import EvolutionConfig, StrategyOptions
from atrous.spaces.dpc.space import ASPP, dpc, encode
from atrous.strategies import STRATEGIES, find_strategy
from atrous.strategies.evolution import Evolution
from atrous.strategies.local import LocalSearch
from atrous.strategies.strategy import ATTEMPTS, ExhaustedError, Stateless, first_unseen
from atrous.strategies.uniform import uniform
from tests.strategies.histories import known, result


def test_a_draw_that_is_another_order_of_a_tried_cell_is_passed_over() -> None:
    tried = [result(0, encode(ASPP), None)]
    fresh = encode(ASPP[:4] + ASPP[:1])
    draws: Iterator[Genotype] = iter([encode(ASPP), encode(ASPP[::-1]), fresh, encode(ASPP)])
    assert first_unseen(lambda: next(draws), dpc(), known(dpc(), tried)) == fresh


def test_draws_are_given_up_after_a_while() -> None:
    drawn = []

    def draw() -> Genotype:
        drawn.append(1)
        return encode(ASPP)

    with pytest.raises(ExhaustedError, match=f"{ATTEMPTS} draws in a row"):
        first_unseen(draw, dpc(), known(dpc(), [result(0, encode(ASPP), 0.1)]))
    assert len(drawn) == ATTEMPTS


def test_strategies_are_found_by_name() -> None:
    assert find_strategy("random") == Stateless(uniform)
    assert find_strategy("local") == Stateless(LocalSearch())


def test_other_names_are_refused_with_those_there_are() -> None:
    with pytest.raises(AtrousError) as refused:
        find_strategy("bayes")
    assert "'bayes'" in str(refused.value)
    assert all(name in str(refused.value) for name in STRATEGIES)


def test_a_strategy_is_made_of_its_own_options_and_of_its_defaults_without() -> None:
    options = StrategyOptions(evolution=EvolutionConfig(population=7))
    assert find_strategy("evolution", options) == Stateless(Evolution(EvolutionConfig(7)))
    assert find_strategy("evolution") == find_strategy("evolution", StrategyOptions())
    assert find_strategy("local", options) == find_strategy("local")
