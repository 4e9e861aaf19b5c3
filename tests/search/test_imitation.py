"""Imitation of an expert: the projection method, what it says, and what a search makes of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import fmean, pstdev
from typing import Any

import pytest

from atrous.core.config import DataConfig, SearchConfig
from atrous.core.errors import AtrousError
from atrous.core.options import replaced
from atrous.core.trial import Job, Measured, Outcome
from atrous.execution.executor import InlineExecutor
from atrous.search.history import result_of
from atrous.search.imitation import (
    IMITATION,
    SIMILARITY,
    expert_of,
    imitation,
    most_rewarded,
    read_imitation,
    visited,
)
from atrous.search.ledger import Entry, Ledger, file_url
from atrous.search.loop import SearchPlan, search
from atrous.search.objective import goal_of
from atrous.search.promotion import FullBudget, SuccessiveHalving, ladder
from atrous.spaces import find_architecture, find_space
from atrous.spaces.space import Space
from atrous.strategies import find_strategy
from atrous.tasks.task import Value
from tests.executors import Reordering

MAPS = {4: (3, 17, 25), 8: (5, 9, 13), 16: (6, 5, 7)}
EXPERTS = (
    ("dpc", "dpc:aspp"),
    ("dpc", "dpc:top1"),
    ("auto_deeplab", "auto_deeplab:published"),
    ("fast_dense", "fpn"),
    ("fast_dense", "fast_dense:arch2"),
    ("fast_dense-2x1", "unet"),
    ("templates", "templates:arch1"),
    ("classic", "fpn"),
    ("dpc-1+fast_dense-2x1", "dpc-1+fast_dense-2x1:0.17.3.2.4.1.0.0.1.5.2"),
)
every_expert = pytest.mark.parametrize(("name", "expert"), EXPERTS)


def searched(name: str) -> Space:
    found = find_space(name)
    return found.at({1: (3, 65, 97)} if found.encoder else MAPS, 4)


@every_expert
def test_the_reward_comes_ever_nearer_to_the_expert_and_has_it_for_its_best(
    name: str, expert: str
) -> None:
    """|w| never grows, and is 0 at the expert."""
    space = searched(name)
    genotype = expert_of(space, expert)
    found = imitation(space, genotype, 1.0)
    assert len(found.lengths) > 1
    assert all(after < before for before, after in pairwise(found.lengths))
    assert found.lengths[-1] == 0
    best = most_rewarded(space, found.reward)
    assert visited(space, best) == visited(space, space.canonical(genotype))
    assert found.similarity(space.architecture(genotype)) == pytest.approx(1)


@every_expert
def test_uniform_draws_are_as_alike_as_chance(name: str, expert: str) -> None:
    space, rng = searched(name), Random(9)
    found = imitation(space, expert_of(space, expert), 1.0)
    drawn = [found.similarity(space.architecture(space.sample(rng))) for _ in range(60)]
    alike = [each for each in drawn if each is not None]
    assert abs(fmean(alike)) < 3.5 * pstdev(alike) / len(alike) ** 0.5


@pytest.mark.parametrize(
    ("name", "expert"), [("dpc-2", "dpc-2:0.17.1.3"), ("classic", "unet"), ("dpc-1", "dpc-1:0.5")]
)
def test_no_other_architecture_is_as_alike(name: str, expert: str) -> None:
    """Of all there are."""
    space = searched(name)
    genotype = expert_of(space, expert)
    found, form = imitation(space, genotype, 1.0), space.canonical(genotype)
    for other in Random(0).sample(list(space.all()), min(space.size(), 2000)):
        if space.canonical(other) != form:
            assert (found.similarity(space.architecture(other)) or 0.0) < 1 - 1e-9


def test_one_decision_less_is_less_alike_and_the_same_elsewhere_counts() -> None:
    space = searched("dpc-3")
    found = imitation(space, (0, 17, 1, 17, 0, 40), 1.0)
    alike = [
        found.similarity(space.architecture(each)) or 0.0
        for each in ((0, 17, 1, 17, 0, 40), (0, 17, 1, 17, 0, 41), (0, 17, 1, 5, 0, 41))
    ]
    assert alike == sorted(alike, reverse=True)
    elsewhere, nowhere = ((0, 5, 1, 17, 0, 41), (0, 5, 1, 6, 0, 41))
    assert (found.similarity(space.architecture(elsewhere)) or 0.0) > (
        found.similarity(space.architecture(nowhere)) or 0.0
    )


def test_architectures_of_another_space_are_not_compared() -> None:
    space = searched("fast_dense-2x1")
    found = imitation(space, expert_of(space, "fpn"), 1.0)
    assert found.similarity(find_architecture("fpn")) is None


@pytest.mark.parametrize(
    ("text", "expert"),
    [
        ("fpn", ("fpn", 1.0)),
        ("fpn:0.5", ("fpn", 0.5)),
        ("dpc:top1", ("dpc:top1", 1.0)),
        ("dpc:top1:2", ("dpc:top1", 2.0)),
        ("dpc-1:0.5", ("dpc-1:0.5", 1.0)),
        ("dpc-1:0.5:.25", ("dpc-1:0.5", 0.25)),
    ],
)
def test_an_expert_is_read_with_its_weight(text: str, expert: tuple[str, float]) -> None:
    assert read_imitation(text) == expert


@pytest.mark.parametrize(
    ("space", "text", "words"),
    [
        ("dpc", "fpn", "fpn is no architecture of dpc, .* Take dpc:aspp, dpc:top1, a genotype of"),
        ("fast_dense", "dpc:aspp", "none in its place. Take fpn, unet, fast_dense:arch0"),
        ("dpc", "beauty:2", "Expected an architecture, got 'beauty'"),
        ("dpc", "dpc:top1:0", "--imitate: expected a weight above 0"),
        ("dpc", "dpc:top1:much", "'top1:much'"),
    ],
)
def test_who_is_no_expert_is_told_so(space: str, text: str, words: str) -> None:
    config = replaced(SearchConfig(DataConfig(""), space), imitate=text)
    with pytest.raises(AtrousError, match=words):
        goal_of(config)


SPACE = searched("fast_dense-2x1")
PLAN = SearchPlan(
    space=SPACE,
    strategy=find_strategy("local"),
    promotion=FullBudget(9),
    objective=Value("score"),
    imitation=imitation(SPACE, expert_of(SPACE, "fpn"), 2.0),
    trials=16,
    seed=3,
    workers=1,
)


def read(job: Job) -> Outcome:
    score = Random(str(job.architecture)).random() + job.steps / 100
    return Measured(job, {"score": score}, {}, 1.0)


def ran(plan: SearchPlan, path: Path, stop: int = 0) -> list[Entry]:
    """The entries of a search in the order of their records, interrupted after `stop` of them."""
    ledger, heard = Ledger.create(file_url(path), "search"), list[Entry]()

    def watch(entry: Entry) -> None:
        heard.append(entry)
        if len(heard) == stop:
            raise KeyboardInterrupt

    executor = InlineExecutor() if plan.workers == 1 else Reordering(max)
    with executor:
        search(plan, ledger, read, executor, watch)
    return ledger.recorded()


def test_what_imitation_adds_is_in_units_of_the_spread_of_what_was_known(tmp_path: Path) -> None:
    """The score that is recorded is that of the values alone."""
    entries, scores = ran(PLAN, tmp_path / "ledger.db"), list[float]()
    for entry in entries:
        assert isinstance(entry.outcome, Measured)
        values = entry.outcome.values
        assert entry.trial.knows == len(scores)
        unit = pstdev(scores) if scores else 0.0
        assert values[IMITATION] == pytest.approx(2 * unit * values[SIMILARITY])
        assert entry.score == values["score"]
        assert result_of(entry).score == entry.score + values[IMITATION]
        scores.append(entry.score)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"strategy": find_strategy("evolution")},
        {"promotion": SuccessiveHalving(ladder(9, 2, 3), 3)},
        {"workers": 3, "reproducible": True},
    ],
    ids=["local", "evolution", "halving", "reproducible"],
)
def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path, changes: dict[str, Any]) -> None:
    plan = replace(PLAN, **changes)
    whole = ran(plan, tmp_path / "whole.db")
    for stop in (5, 6):
        with pytest.raises(KeyboardInterrupt):
            ran(plan, tmp_path / "killed.db", stop)
    again = ran(plan, tmp_path / "killed.db")
    assert {e.key: e.outcome for e in again} == {e.key: e.outcome for e in whole}


def test_a_search_that_imitates_finds_what_is_more_alike(tmp_path: Path) -> None:
    def alike(plan: SearchPlan, name: str) -> float:
        entries = ran(plan, tmp_path / name)
        assert PLAN.imitation is not None
        found = (PLAN.imitation.similarity(entry.trial.architecture) for entry in entries[-12:])
        return fmean(each or 0.0 for each in found)

    plan = replace(PLAN, trials=40, seed=0)
    assert alike(plan, "with.db") > alike(replace(plan, imitation=None), "without.db") + 0.1
