"""How a budget is split: nothing is lost, limits hold, and what a refusal names is accepted."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest

from atrous.core.errors import AtrousError
from atrous.report.trained import PLAN, read_timetable
from atrous.stages.whole.plan import (
    LEAST_AGAIN,
    LEAST_STEPS,
    LEAST_TRIALS,
    MOST_AGAIN,
    PROOF,
    SHORT,
    WANTED_STEPS,
    WORTH,
    BudgetPlan,
    Pace,
    Timing,
    read_plan,
    split,
    worth_searching,
    write_plan,
)
from tests.stages.whole.small_run import paced

ASPP = ("dpc:aspp",)
HOUR = 3600


def named(pace: Pace, ended: int, beside: int, baselines: tuple[str, ...]) -> int:
    """The least budget that a refusal names."""
    with pytest.raises(AtrousError, match="--budget 1s is too short") as told:
        split(1, pace, ended, beside, baselines)
    found = re.search(r"at least --budget (\d+)s", str(told.value))
    assert found
    return int(found[1])


def test_two_hours_are_split_by_what_was_measured() -> None:
    plan = split(2 * HOUR, paced(trial=10, step=0.5, workers=2), 200, 2, ASPP)
    assert [stage.name for stage in plan.stages] == ["search", "re-rank", "train", "rest"]
    assert [stage.seconds for stage in plan.stages] == pytest.approx([2450, 1400, 2450, 700])
    assert plan.search_seconds == pytest.approx(2450)
    assert plan.trials == 488  # 490 of 10 s, 2 at a time, two of them baselines
    assert (plan.top, plan.rerank_steps) == (7, 301)  # 9 networks of 155 s: half a trial, 300 steps
    assert plan.train_steps == 2450  # 1225 s for each of two networks
    assert "10.0 s here, 2 at a time" in plan.told
    assert "0.50 s; 200 s went" in plan.told


def test_no_stage_takes_more_than_its_share() -> None:
    rng = Random(0)
    for _ in range(500):
        pace = paced(rng.uniform(0.1, 20), rng.uniform(0.01, 5), rng.randint(1, 8))
        budget, ended = rng.uniform(12, 48) * HOUR, rng.randint(0, 3000)
        plan = split(budget, pace, ended, 2, ASPP)
        left, tolerance = budget - ended, 1e-6
        search = (plan.trials + 2) * pace.trial / pace.workers
        start = pace.trial / pace.workers
        second = (plan.top + 2) * (plan.rerank_steps * pace.regime.step + start)
        third = 2 * plan.train_steps * pace.regime.step
        assert sum(stage.seconds for stage in plan.stages) == pytest.approx(left)
        assert search <= 0.35 * left + tolerance < search + pace.trial / pace.workers + 1
        assert second <= 0.2 * left + tolerance < second + (plan.top + 2) * pace.regime.step + 1
        assert third <= 0.35 * left + tolerance < third + 2 * pace.regime.step + 1


def test_more_time_ranks_more_again_before_each_gets_more_steps() -> None:
    pace = paced(trial=1, step=0.1, workers=1)
    plans = [split(minutes * 60, pace, 0, 2, ASPP) for minutes in range(SHORT // 60, 3000, 10)]
    tops = [plan.top for plan in plans]
    assert tops == sorted(tops)
    assert (tops[0], tops[-1]) == (44, MOST_AGAIN)
    for plan in plans:
        if LEAST_AGAIN < plan.top < MOST_AGAIN:
            assert WANTED_STEPS <= plan.rerank_steps < 2 * WANTED_STEPS
        elif plan.top == MOST_AGAIN:
            assert plan.rerank_steps >= WANTED_STEPS


def test_the_least_budget_that_is_named_is_accepted_and_no_shorter_one() -> None:
    rng = Random(1)
    for _ in range(1000):
        pace = paced(
            *(rng.uniform(0.1, 99), rng.uniform(0.01, 9), rng.randint(1, 9)),
            *(rng.uniform(0, 99), rng.uniform(0, 99)),
        )
        ended, beside = rng.randint(0, 900), rng.randint(0, 3)
        least = named(pace, ended, beside, ASPP)
        plan = split(least, pace, ended, beside, ASPP)
        assert plan.trials >= 1
        assert plan.train_steps >= LEAST_STEPS
        with pytest.raises(AtrousError, match=f"at least --budget {least}s"):
            split(least - 30, pace, ended, beside, ASPP)


def test_a_short_budget_trains_one_network_for_all_that_is_left() -> None:
    pace = paced(trial=10, step=0.2, workers=2, start=20, scoring=30)
    plan = split(300, pace, 40, 3, ASPP)
    assert [stage.name for stage in plan.stages] == ["search", "train", "rest"]
    assert [stage.seconds for stage in plan.stages] == pytest.approx([33, 132, 95])
    assert plan.trials == 3  # 6 of 10 s in 33 s, 2 at a time, three of them baselines
    assert plan.train_steps == 410  # 132 s without 20 before the first and 30 for scores
    assert (plan.top, plan.rerank_steps, plan.baselines) == (0, 0, ())
    assert plan.seeds == 0  # 30 s would leave too few steps
    longer = split(400, pace, 40, 3, ASPP)
    assert [stage.name for stage in longer.stages] == ["search", "compare", "train", "rest"]
    assert [stage.seconds for stage in longer.stages] == pytest.approx([53, 30, 182, 95])
    assert (longer.seeds, longer.train_steps) == (3, 660)
    assert split(SHORT, pace, 40, 3, ASPP).top >= LEAST_AGAIN
    slow = paced(trial=500, step=5, workers=1)
    assert split(SHORT, slow, 0, 3, ASPP).top == 0


def test_as_many_are_read_again_as_a_fifth_of_the_time_to_train_is_enough_for() -> None:
    pace = paced(trial=10, step=0.2, workers=2, start=20, scoring=30)
    plan = split(600, pace, 40, 3, ASPP, most=5)
    assert [stage.seconds for stage in plan.stages] == pytest.approx([93, 60, 312, 95])
    assert (plan.read, plan.seeds, plan.train_steps) == (3, 3, 1310)
    whole, before = (split(2 * HOUR, paced(10, 0.5, 2), 200, 2, ASPP, most) for most in (5, 1))
    assert [stage.name for stage in whole.stages] == [
        *("search", "re-rank", "compare", "train", "rest")
    ]
    assert (whole.read, before.read, before.seeds) == (5, 0, 0)
    assert whole.stages[3].seconds == pytest.approx(before.stages[2].seconds - 90)


def test_without_a_trial_all_the_time_goes_into_a_training() -> None:
    pace = paced(trial=0, step=0.2, start=20, scoring=30)
    plan = split(300, pace, 40, 3, ASPP)
    assert [stage.name for stage in plan.stages] == ["train", "rest"]
    assert [stage.seconds for stage in plan.stages] == pytest.approx([165, 95])
    assert (plan.train_steps, plan.trials, plan.seeds) == (575, 0, 0)
    least = named(pace, 40, 3, ASPP)
    assert split(least, pace, 40, 3, ASPP).train_steps >= LEAST_STEPS
    with pytest.raises(AtrousError, match=f"at least --budget {least}s"):
        split(least - 30, pace, 40, 3, ASPP)


def test_a_search_that_would_take_most_of_the_time_is_left_out() -> None:
    timing = Timing((), scoring=30, features=20, trial=10)
    need = 20 + (3 + LEAST_TRIALS) * 10
    left = need / WORTH + PROOF + 60
    assert worth_searching(left + 1, timing, 3)
    assert not worth_searching(left - 1, timing, 3)


def test_a_budget_that_is_over_before_it_is_split_is_refused() -> None:
    pace = paced(trial=1, step=0.01, workers=1)
    with pytest.raises(AtrousError, match=r"500 s are over\. Expected at least --budget 540s"):
        split(300, pace, 500, 2, ASPP)


@pytest.fixture
def plan() -> BudgetPlan:
    return split(2 * HOUR, paced(10, 0.5, 2), 200, 2, ASPP)


def test_a_plan_comes_back_as_it_was(plan: BudgetPlan, tmp_path: Path) -> None:
    write_plan(plan, tmp_path)
    assert read_plan(tmp_path) == plan
    schedule = read_timetable(tmp_path)
    assert schedule
    assert (schedule.budget, schedule.told) == (plan.budget, plan.told)
    assert schedule.stages == plan.stages


@pytest.mark.parametrize(
    "damage",
    [
        {"trials": "many"},
        {"budget": None},
        {"stages": [["search", 1, ""]]},
        {"stages": None},
        {"baselines": 1},
    ],
    ids=str,
)
def test_a_damaged_plan_is_told(plan: BudgetPlan, tmp_path: Path, damage: dict[str, Any]) -> None:
    write_plan(plan, tmp_path)
    path = tmp_path / PLAN
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(AtrousError, match=f"Expected the plan of a whole run in {path}, but: "):
        read_plan(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "1", '"plan"', "null"])
def test_what_is_no_plan_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / PLAN).write_text(content)
    with pytest.raises(AtrousError, match="Expected the plan of a whole run in"):
        read_plan(tmp_path)


def test_no_plan_is_told(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match="go on by hand: atrous search --resume"):
        read_plan(tmp_path)
    with pytest.raises(AtrousError, match="Expected to write"):
        write_plan(split(2 * HOUR, paced(10, 0.5, 2), 200, 2, ASPP), tmp_path / "missing")
