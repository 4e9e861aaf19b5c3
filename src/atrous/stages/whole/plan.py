"""How a budget of time is split over the stages, told from what a trial and a step took here."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from math import ceil, floor
from pathlib import Path
from typing import Any

from atrous.core.errors import AtrousError
from atrous.core.files import write_whole

PLAN = "plan.json"
FORMAT = 1
SEARCH, RERANK, TRAIN = 0.35, 0.2, 0.35
"""Shares of the budget; the rest is for scoring, export and what goes wrong."""
LEAST_TRIALS, LEAST_STEPS = 6, 20
MOST_AGAIN, WANTED_STEPS = 50, 300
"""So many are ranked again at most, and rather fewer than with less than so many steps each."""
LEAST_AGAIN = 3


@dataclass(frozen=True)
class Pace:
    """What was measured: seconds of a trial on cached features and of a step end to end, for one
    network that has the machine to itself, with `workers` trials at a time."""

    trial: float
    step: float
    workers: int


@dataclass(frozen=True)
class Plan:
    """Seconds and candidates for the search, steps for what follows. `baselines` are trained beside
    the best.

    `told` says in words how the split was found.
    """

    budget: float
    search_seconds: float
    trials: int
    top: int
    rerank_steps: int
    train_steps: int
    baselines: tuple[str, ...]
    stages: tuple[tuple[str, float, str], ...]
    told: str


@dataclass(frozen=True)
class Seconds:
    """What the three stages get."""

    search: float
    rerank: float
    train: float

    @property
    def rest(self) -> float:
        """For scoring, export and what goes wrong, in proportion."""
        shares = SEARCH + RERANK + TRAIN
        return (1 - shares) / shares * (self.search + self.rerank + self.train)


def split(
    budget: float,
    pace: Pace,
    ended: int,
    beside: int,
    baselines: tuple[str, ...],
    stretch: bool = False,
) -> Plan:
    """The plan for `budget` seconds, of which `ended` are over already.

    So many as `beside` are searched and ranked again beside the candidates; `baselines` are trained
    beside the best. Raises `AtrousError` if the budget is too short; with `stretch`, the stages for
    which it is get as long as they need.
    """
    left = max(0.0, budget - ended)
    seconds = Seconds(SEARCH * left, RERANK * left, TRAIN * left)
    if stretch:
        seconds = _stretched(seconds, needs(pace, beside, len(baselines)))
    trials = _whole(seconds.search * pace.workers / pace.trial) - beside
    top, again = _second_round(seconds.rerank, pace, beside)
    each = seconds.train / (1 + len(baselines))
    steps = _whole((each - pace.trial) / pace.step)
    if trials < LEAST_TRIALS or again < LEAST_STEPS or steps < LEAST_STEPS:
        raise AtrousError(
            f"--budget {budget:.0f}s is too short: here a trial takes {pace.trial:.1f} s and a "
            f"step end to end {pace.step:.2f} s, and {ended} s are over. Expected at least "
            f"--budget {least(pace, ended, beside, len(baselines)):.0f}s."
        )
    stages = (
        ("search", seconds.search, f"about {trials} candidates of {pace.trial:.1f} s"),
        ("re-rank", seconds.rerank, f"{top} candidates and the baselines, {again} steps each"),
        ("train", seconds.train, f"{1 + len(baselines)} networks, {steps} steps each"),
        ("rest", seconds.rest, "scores, pictures, export, report"),
    )
    whole = ended + sum(length for _, length, _ in stages)
    told = (
        f"A trial on cached features took {pace.trial:.1f} s here, {pace.workers} at a time, and a "
        f"step end to end {pace.step:.2f} s; {ended} s went into checks and features."
    )
    return Plan(
        max(budget, whole) if stretch else budget,
        seconds.search,
        trials,
        top,
        again,
        steps,
        baselines,
        stages,
        told,
    )


def needs(pace: Pace, beside: int, baselines: int) -> Seconds:
    """The least that each stage is worth while with."""
    start = pace.trial / pace.workers
    return Seconds(
        search=(LEAST_TRIALS + beside) * start,
        rerank=(LEAST_AGAIN + beside) * (LEAST_STEPS * pace.step + start),
        train=(1 + baselines) * (LEAST_STEPS * pace.step + pace.trial),
    )


def _stretched(given: Seconds, least: Seconds) -> Seconds:
    return Seconds(
        max(given.search, least.search),
        max(given.rerank, least.rerank),
        max(given.train, least.train),
    )


def _second_round(seconds: float, pace: Pace, beside: int) -> tuple[int, int]:
    """How many are ranked again, and with how many steps each; each begins with a trial."""
    start = pace.trial / pace.workers
    top = _whole(seconds / (WANTED_STEPS * pace.step + start)) - beside
    top = max(LEAST_AGAIN, min(MOST_AGAIN, top))
    return top, _whole((seconds / (top + beside) - start) / pace.step)


def _whole(number: float) -> int:
    """The number rounded down; what lacks a rounding error to a whole number counts as whole."""
    return floor(number + 1e-9)


def least(pace: Pace, ended: int, beside: int, baselines: int) -> float:
    """The shortest budget that `split` accepts, in seconds, rounded up to half a minute."""
    need = needs(pace, beside, baselines)
    whole = max(need.search / SEARCH, need.rerank / RERANK, need.train / TRAIN)
    return ceil(round((ended + whole) / 30, 6)) * 30


def write_plan(plan: Plan, folder: Path) -> None:
    """Keeps the plan in a run's folder; raises `AtrousError` if it cannot be written."""
    stages = [{"name": n, "seconds": s, "why": w} for n, s, w in plan.stages]
    content = {"format": FORMAT, **asdict(plan), "stages": stages}
    try:
        write_whole(folder / PLAN, json.dumps(content, indent=2))
    except OSError as error:
        raise AtrousError(f"Expected to write {folder / PLAN}, but {error}.") from error


def read_plan(folder: Path) -> Plan:
    """The plan of a run; raises `AtrousError` if there is none or it is damaged."""
    path = folder / PLAN
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        return Plan(
            budget=float(content["budget"]),
            search_seconds=float(content["search_seconds"]),
            trials=int(content["trials"]),
            top=int(content["top"]),
            rerank_steps=int(content["rerank_steps"]),
            train_steps=int(content["train_steps"]),
            baselines=tuple(content["baselines"]),
            stages=tuple((s["name"], float(s["seconds"]), s["why"]) for s in content["stages"]),
            told=content["told"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AtrousError(
            f"Expected the plan of a whole run in {path}, but: {error!r}. Begin anew with another "
            "--out, or go on by hand: atrous search --resume, atrous rerank, atrous train."
        ) from error
