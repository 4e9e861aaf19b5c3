"""What every promotion of the registry keeps, through a search that is killed and goes on."""

from __future__ import annotations

from pathlib import Path
from random import Random
from statistics import median

import pytest

from atrous.core.config import RungConfig
from atrous.core.trial import Job, Measured, Outcome, Rung
from atrous.execution.executor import InlineExecutor
from atrous.search.ledger import Entry, Ledger, file_url
from atrous.search.loop import SearchPlan, search
from atrous.search.promotion import (
    BEGINS,
    MEMORY,
    PROMOTIONS,
    FullBudget,
    Promotion,
    find_promotion,
    ladder,
    passing,
    rung_steps,
)
from atrous.spaces.dpc.space import dpc
from atrous.strategies import find_strategy
from atrous.tasks import USUAL

STEPS = 36
every_promotion = pytest.mark.parametrize(
    "promotion",
    [FullBudget(STEPS), *(make(ladder(STEPS, 3, 3), 3) for make in PROMOTIONS.values())],
    ids=["full", *PROMOTIONS],
)


class Checkpointing:
    """Keeps in a file how many steps each trial was trained, and goes on from there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trained = 0

    def __call__(self, job: Job) -> Outcome:
        file = self.folder / str(job.trial.number)
        before = int(file.read_text()) if job.resume else 0
        assert before == (job.resume.steps if job.resume else 0)
        self.trained += job.steps - before
        file.write_text(str(job.steps))
        score = Random(str(job.architecture)).random() + job.steps / 1000
        return Measured(job, {"miou": score}, {}, 1.0)


def run(promotion: Promotion, folder: Path, stop: int = 0, workers: int = 1) -> list[Entry]:
    """A search of 20 trials, interrupted after `stop` entries."""
    plan = SearchPlan(
        space=dpc(3),
        strategy=find_strategy("local"),
        promotion=promotion,
        objective=USUAL.objective("miou"),
        trials=20,
        seed=4,
        workers=workers,
    )
    folder.mkdir(exist_ok=True)
    ledger = Ledger.create(file_url(folder / "ledger.db"), "search")
    heard: list[Entry] = []

    def watch(entry: Entry) -> None:
        heard.append(entry)
        if len(heard) == stop:
            raise KeyboardInterrupt

    search(plan, ledger, Checkpointing(folder), InlineExecutor(), watch)
    return ledger.recorded()


@every_promotion
def test_rungs_rise_to_the_steps_asked_for(promotion: Promotion) -> None:
    rungs = promotion.rungs
    assert [rung.level for rung in rungs] == list(range(len(rungs)))
    assert [rung.steps for rung in rungs] == sorted({rung.steps for rung in rungs})
    assert rungs[-1].steps == STEPS


@every_promotion
def test_whoever_is_promoted_goes_on_from_the_rung_below(
    promotion: Promotion, tmp_path: Path
) -> None:
    entries = run(promotion, tmp_path / "run")
    jobs = [entry.outcome.job for entry in entries]
    assert {job.trial.number for job in jobs} == set(range(20))
    assert len({job.key for job in jobs}) == len(jobs)
    done: set[tuple[int, Rung]] = set()
    for job in jobs:
        below = promotion.rungs[job.rung.level - 1] if job.rung.level else None
        assert job.resume == below
        assert below is None or (job.trial.number, below) in done
        done.add((job.trial.number, job.rung))
    last = [job for job in jobs if job.rung.steps == STEPS]
    assert last


@every_promotion
def test_killed_and_resumed_equals_uninterrupted(promotion: Promotion, tmp_path: Path) -> None:
    whole = run(promotion, tmp_path / "whole")
    for stop in (3, 9):
        with pytest.raises(KeyboardInterrupt):
            run(promotion, tmp_path / "killed", stop)
    resumed = run(promotion, tmp_path / "killed")
    assert [entry.outcome for entry in resumed] == [entry.outcome for entry in whole]


def by_level(entries: list[Entry], levels: int = 3) -> list[list[Entry]]:
    return [[e for e in entries if e.outcome.job.rung.level == level] for level in range(levels)]


def test_rungs_are_eta_times_as_long_each() -> None:
    assert rung_steps(RungConfig(3, 4), 400) == (25, 100, 400)
    assert rung_steps(RungConfig(2, 3, "median"), 900) == (300, 900)
    assert rung_steps(RungConfig(), 400) == ()


def test_the_best_third_of_a_rung_is_promoted(tmp_path: Path) -> None:
    levels = by_level(run(find_promotion(RungConfig(3, 3), STEPS), tmp_path / "halving"))
    assert len(levels[0]) == 20
    assert 6 <= len(levels[1]) <= 12
    assert 2 <= len(levels[2]) <= len(levels[1])
    best = max(levels[0], key=lambda entry: entry.score or 0)
    assert best.trial.number in {entry.trial.number for entry in levels[1]}


def test_who_is_not_below_the_median_of_those_before_passes(tmp_path: Path) -> None:
    """After the first ten, which pass; each goes on before anything is begun."""
    entries = run(find_promotion(RungConfig(2, 4, "median"), STEPS), tmp_path / "median")
    first, second = by_level(entries, 2)
    scores = [entry.score or 0 for entry in first]
    passed = [n for n, score in enumerate(scores) if n < BEGINS or score >= median(scores[:n])]
    assert [entry.trial.number for entry in second] == [first[n].trial.number for n in passed]
    assert BEGINS < len(passed) < len(first)
    assert [e.outcome.job.rung.level for e in entries[:4]] == [0, 1, 0, 1]


def test_the_median_is_of_the_latest() -> None:
    scores = [*(float(n) for n in range(MEMORY)), *[-1.0] * (MEMORY // 2 + 2), 0.0]
    passed = list(passing(scores))
    assert passed[:MEMORY] == [True] * MEMORY
    assert passed[MEMORY:] == [False] * (MEMORY // 2 + 1) + [True] * 2
