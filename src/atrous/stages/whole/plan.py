"""How a budget of time is split over the stages, told from what a trial and a step took here."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice
from math import ceil, floor
from pathlib import Path

import torch

from atrous.core.console import track
from atrous.core.errors import AtrousError, within_memory
from atrous.core.records import Amount, Positive, read, write
from atrous.core.trial import Failed, Job, Origin, Rung, Trial
from atrous.networks.compute import cores, release
from atrous.report.trained import PLAN, PlannedStage
from atrous.search.loop import Estimator
from atrous.search.run import Run
from atrous.spaces import yardstick, yardstick_name
from atrous.spaces.blueprint import build_network
from atrous.stages.train.trainer import TrainingJob
from atrous.training.crops import crops_of, parts
from atrous.training.state import TrainingState
from atrous.training.world import World

WARM, TIMED = 2, 3
FORMAT = 1
SEARCH, RERANK, TRAIN = 0.35, 0.2, 0.35
"""Shares of the budget; the rest is for scoring, export and what goes wrong."""
LEAST_TRIALS, LEAST_STEPS = 6, 20
MOST_AGAIN, WANTED_STEPS = 50, 300
"""So many are ranked again at most, and rather fewer than with less than so many steps each."""
LEAST_AGAIN = 3


@dataclass(frozen=True)
class Pace:
    """Measured speed: seconds of a trial on cached features and of a step end to end, for one
    network that has the machine to itself, with `workers` trials at a time."""

    trial: float
    step: float
    workers: int


@dataclass(frozen=True)
class BudgetPlan:
    """Seconds and candidates for the search, steps for what follows. `baselines` are trained beside
    the best.

    `told` says in words how the split was found.
    """

    budget: Amount
    search_seconds: Amount
    trials: Positive
    top: Positive
    rerank_steps: Positive
    train_steps: Positive
    baselines: tuple[str, ...]
    stages: tuple[PlannedStage, ...]
    told: str


@dataclass(frozen=True)
class Seconds:
    """Seconds that the three stages get."""

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
) -> BudgetPlan:
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
        PlannedStage("search", seconds.search, f"about {trials} candidates of {pace.trial:.1f} s"),
        PlannedStage(
            "re-rank", seconds.rerank, f"{top} candidates and the baselines, {again} steps each"
        ),
        PlannedStage("train", seconds.train, f"{1 + len(baselines)} networks, {steps} steps each"),
        PlannedStage("rest", seconds.rest, "scores, pictures, export, report"),
    )
    whole = ended + sum(stage.seconds for stage in stages)
    told = (
        f"A trial on cached features took {pace.trial:.1f} s here, {pace.workers} at a time, and a "
        f"step end to end {pace.step:.2f} s; {ended} s went into checks and features."
    )
    return BudgetPlan(
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


def write_plan(plan: BudgetPlan, folder: Path) -> None:
    """Keeps the plan in a run's folder; raises `AtrousError` if it cannot be written."""
    write(folder / PLAN, plan, FORMAT, "the plan of a whole run")


def read_plan(folder: Path) -> BudgetPlan:
    """Returns the plan of a run; raises `AtrousError` if there is none or it is damaged."""
    mend = (
        "Begin anew with another --out, or go on by hand: atrous search --resume, atrous rerank, "
        "atrous train."
    )
    absent = f"Expected the plan of a whole run in {folder / PLAN}, but there is none. {mend}"
    return read(folder / PLAN, BudgetPlan, FORMAT, "the plan of a whole run", absent, mend)


def measure_pace(run: Run, estimator: Estimator, job: TrainingJob) -> Pace:
    """The seconds of a trial of the yardstick, and of a training step of the job's network.

    Raises `AtrousError` if the trial fails, or if the memory does not hold a step.
    """
    config = run.config
    trial = Trial(0, yardstick(config.space), Origin("pace"), config.seed)
    outcome = estimator(Job(trial, Rung(0, config.proxy.steps)))
    if isinstance(outcome, Failed):
        plain = yardstick_name(config.space)
        raise AtrousError(f"A first trial, of {plain}, failed: {outcome.error}")
    mend = "Begin anew with a smaller --batch or --crop, and another --out."
    try:
        with within_memory(f"on {job.compute.device} to train end to end", mend):
            step = step_seconds(job)
    finally:
        release(job.compute.device)
    return Pace(outcome.seconds, step, run.settings.workers)


def step_seconds(job: TrainingJob) -> float:
    """Seconds of a training step, reading and augmenting its images counted."""
    _, training, _ = job.samples()
    world = World(job.compute.device)
    torch.set_num_threads(cores())
    network = build_network(job.blueprint, "none", job.protocol.seed)
    state = TrainingState(network, job.protocol, job.compute, world)
    batches = parts(crops_of(training, job.protocol, network.backbone.mean), job.protocol, 0, world)
    starts: list[float] = []
    for _ in track(range(WARM + TIMED), "timing training steps", WARM + TIMED):
        loss = state.advance(list(islice(batches, job.protocol.accumulate)))
        float(loss)
        starts.append(time.monotonic())
    return (starts[-1] - starts[WARM - 1]) / TIMED
