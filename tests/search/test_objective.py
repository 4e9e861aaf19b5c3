"""From what a user asks for to objectives, a reward and limits."""

from __future__ import annotations

from typing import Any

import pytest

from atrous.core.architecture import Limit, measure_of
from atrous.core.config import DataConfig, SearchConfig
from atrous.core.errors import AtrousError
from atrous.core.options import replaced
from atrous.search.objective import REWARDS, Goal, goal_of
from atrous.tasks.task import Value


def goal(*objective: str, **asked: Any) -> Goal:
    """What a search wants, of cells unless the space is another."""
    return goal_of(replaced(SearchConfig(DataConfig(""), "dpc"), objective=objective, **asked))


@pytest.mark.parametrize(
    ("exponent", "factors"),
    [
        (-0.07, {0.5: 1.049717, 1: 1, 2: 0.952638, 4: 0.907519}),
        (-0.15, {0.5: 1.109569, 2: 0.901250, 4: 0.812252}),
    ],
)
def test_a_soft_reward_has_the_published_factors(
    exponent: float, factors: dict[float, float]
) -> None:
    reward = REWARDS["mnasnet"](Value("miou"), (("latency", 12.0),), exponent)
    for ratio, factor in factors.items():
        found = reward({"miou": 0.5, "latency": 12 * ratio})
        assert found == pytest.approx(0.5 * factor, abs=5e-7)


def test_a_hard_reward_counts_no_cost_within_the_target() -> None:
    reward = REWARDS["mnasnet-hard"](Value("miou"), (("latency", 12.0),), -0.07)
    found = [reward({"miou": 0.5, "latency": 12 * ratio}) for ratio in (0.5, 1, 2)]
    assert found == [0.5, 0.5, 0.25]


def test_without_a_word_the_main_value_is_all() -> None:
    found = goal()
    assert (found.name, found.wanted, found.priced, found.limits) == ("miou", (), (), ())
    assert found.objective == Value("miou")
    assert goal("blend").name == "blend"


def test_costs_stand_beside_the_score_whether_or_not_it_is_named() -> None:
    found = goal("latency@512x1024", "parameters")
    assert found == goal("miou", "latency@512x1024", "parameters")
    assert [each({"miou": 0.5, "latency": 7.0, "parameters": 3}) for each in found.wanted] == [
        0.5,
        -7.0,
        -3,
    ]
    assert found.priced == ("parameters", "latency")
    assert found.sizes == {"latency": (512, 1024)}
    assert found.name == "mnasnet"


def test_a_target_is_where_a_reward_is_the_score() -> None:
    found = goal(reward="mnasnet", target=("12ms", "multiply-adds<=500M"))
    assert found.wanted == ()
    assert found.priced == ("multiply-adds", "latency")
    values = {"miou": 0.4, "latency": 12.0, "multiply_adds": 5e8}
    assert found.objective(values) == 0.4
    assert found.objective({**values, "latency": 24.0}) == pytest.approx(0.4 * 2**-0.07)


def test_limits_are_told_apart_by_who_knows_them() -> None:
    found = goal(limit=("latency<=12ms@512x1024", "parameters<=300k", "memory<=1.5GiB"))
    assert found.counted == (Limit("parameters", 3e5),)
    assert found.measured == (Limit("memory", 1.5 * 2**30), Limit("latency", 12, (512, 1024)))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"objective": ("beauty",)}, "--objective is one of miou, blend, cross-entropy, and"),
        ({"objective": ("miou", "blend")}, "--objective has one score, .* got miou and blend"),
        ({"objective": ("cross-entropy", "latency")}, "Take miou or blend"),
        ({"reward": "gold"}, "--reward is one of mnasnet, mnasnet-hard, got 'gold'"),
        ({"reward": "mnasnet"}, "--reward mnasnet needs a cost: name its --target"),
        ({"reward": "mnasnet-hard", "objective": ("latency",)}, "mnasnet-hard needs a --target"),
        ({"target": ("12ms",)}, "--target is that of a --reward"),
        ({"target": ("12",), "reward": "mnasnet"}, "--target: expected parameters<=300k"),
        ({"limit": ("beauty<=1",)}, "--limit: expected parameters<=300k"),
        (
            {"limit": ("latency<=12ms@64x64",), "objective": ("latency@32x32",)},
            "one size of images for latency, got 32x32 and 64x64",
        ),
    ],
)
def test_what_cannot_be_is_refused(asked: dict[str, Any], words: str) -> None:
    config = replaced(SearchConfig(DataConfig(""), "dpc"), **asked)
    with pytest.raises(AtrousError, match=words):
        goal_of(config)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("parameters<=300k", Limit("parameters", 3e5)),
        ("multiply-adds<=1e9", Limit("multiply-adds", 1e9)),
        ("memory<=200MiB@65x97", Limit("memory", 200 * 2**20, (65, 97))),
        ("latency<=1.5s", Limit("latency", 1500)),
        ("12ms@512x1024", Limit("latency", 12, (512, 1024))),
    ],
)
def test_a_limit_is_read_with_its_unit(text: str, limit: Limit) -> None:
    assert Limit.parse(text) == limit


@pytest.mark.parametrize("text", ["parameters<=3ms", "latency<=12", "parameters<=3k@9x9", "300k"])
def test_an_amount_has_the_unit_of_its_cost(text: str) -> None:
    with pytest.raises(ValueError, match="latency<=12ms"):
        Limit.parse(text)


def test_a_size_is_said_of_what_is_measured_for_an_image() -> None:
    assert measure_of("latency@9x17") == ("latency", (9, 17))
    assert measure_of("parameters@9x17") == ("parameters@9x17", None)
