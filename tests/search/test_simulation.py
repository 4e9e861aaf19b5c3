"""A search as large as that of Chen et al. 2018: 28,000 trials on 370 workers, in virtual time."""

from __future__ import annotations

import gc
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from atrous.core.trial import Job, Measured, Outcome
from atrous.search import loop
from atrous.search.ledger import Entry
from atrous.search.loop import CLEAR, SearchPlan, search
from atrous.search.promotion import FullBudget
from atrous.spaces.dpc.space import dpc
from atrous.strategies import find_strategy
from atrous.tasks import USUAL
from tests.search.simulated import VirtualExecutor, Weightless

TRIALS, WORKERS = 28_000, 370
OBJECTS = 30
"""So many objects may stay in memory for each trial, at the end as at the start."""


def test_nobody_waits_and_memory_grows_by_the_same_small_amount_for_each_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = Random(0)
    executor = VirtualExecutor(lambda: rng.lognormvariate(0, 1), WORKERS, TRIALS)
    monkeypatch.setattr(loop, "wait", executor.wait)
    alive: list[int] = []
    collected: list[int] = []

    def estimate(job: Job) -> Outcome:
        return Measured(job, {"miou": rng.random()}, {}, 1.0)

    def watch(entry: Entry) -> None:
        if entry.trial.number % (TRIALS // 4) == TRIALS // 8:
            collected.append(len(gc.get_objects()))
            alive.append(collected[-1] + gc.get_freeze_count())

    plan = SearchPlan(
        space=dpc(),
        strategy=find_strategy("random"),
        promotion=FullBudget(400),
        objective=USUAL.objective("miou"),
        trials=TRIALS,
        seed=0,
        workers=WORKERS,
    )
    ledger: Any = Weightless()
    search(plan, ledger, estimate, executor, watch)
    assert ledger.count == TRIALS
    assert executor.busy / (executor.busy + executor.idle) > 0.99
    grown = [(b - a) / (TRIALS / 4) for a, b in pairwise(alive)]
    assert max(grown) < OBJECTS, grown
    # A proposal may have to wait for the collector, which goes through so many objects at most.
    assert max(collected) < OBJECTS * (CLEAR + WORKERS), collected
    assert gc.get_freeze_count() == 0
