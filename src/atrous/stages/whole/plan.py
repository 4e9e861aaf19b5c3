"""How a budget of time is split over the stages, told from what a trial and a step took here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from math import ceil, floor
from pathlib import Path

import torch

from atrous.core.console import track
from atrous.core.errors import AtrousError, within_memory
from atrous.core.records import Amount, Count, Positive, read, write
from atrous.core.trial import Failed, Job, Origin, Rung, Trial
from atrous.networks.compute import cores, release
from atrous.report.trained import PLAN, PlannedStage
from atrous.search.loop import Estimator
from atrous.search.run import Run
from atrous.spaces import yardstick, yardstick_name
from atrous.spaces.blueprint import build_network
from atrous.stages.train.trainer import TrainingJob
from atrous.training.crops import crops_of, parts
from atrous.training.loop import source_of
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
SHORT = 2400
"""Seconds: with less, nothing is ranked again, and one network is trained, for all that is left."""
SHORT_SEARCH = 0.2
SEEDS, CONFIRM = 3, 0.2
"""So many seeds tell the best from the cheapest baseline, for this share of the time to train."""
PROOF = 35
"""Seconds that the export, the latency and the page take, whatever the network."""
PACE = 3
"""The trial that is timed has this part of the steps of others."""
SCORES = 3
"""A training is scored so often."""


@dataclass(frozen=True)
class Pace:
    """Measured speed: seconds of a trial on cached features and of a training step, for one network
    that has the machine to itself, with `workers` trials at a time; `start` are those before the
    first step, and `scoring` those of all images that a trained network is scored on."""

    trial: float
    step: float
    workers: int
    start: float = 0.0
    scoring: float = 0.0


@dataclass(frozen=True)
class BudgetPlan:
    """Seconds and candidates for the search, steps for what follows. `baselines` are trained beside
    the best. Where `top` is 0, nothing is ranked again. With so many fresh `seeds` the best and the
    cheapest baseline are compared.

    `told` says in words how the split was found.
    """

    budget: Amount
    search_seconds: Amount
    trials: Positive
    top: Count
    rerank_steps: Count
    train_steps: Positive
    baselines: tuple[str, ...]
    stages: tuple[PlannedStage, ...]
    told: str
    seeds: Count = 0


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
    budget: float, pace: Pace, ended: int, beside: int, baselines: tuple[str, ...]
) -> BudgetPlan:
    """The plan for `budget` seconds, of which `ended` are over already.

    So many as `beside` are searched and ranked again beside the candidates; `baselines` are trained
    beside the best. A budget that is short for that goes into a search and the training of one
    network. Raises `AtrousError` if it is too short for that, too.
    """
    left = max(0.0, budget - ended)
    told = (
        f"A trial on cached features took {pace.trial:.1f} s here, {pace.workers} at a time, and a "
        f"training step {pace.step:.2f} s; {ended} s went into checks and features."
    )
    if budget < max(SHORT, least(pace, ended, beside, len(baselines))):
        return _short(budget, left, pace, ended, beside, told)
    seconds = Seconds(SEARCH * left, RERANK * left, TRAIN * left)
    trials = _whole(seconds.search * pace.workers / pace.trial) - beside
    top, again = _second_round(seconds.rerank, pace, beside)
    each = seconds.train / (1 + len(baselines))
    steps = _whole((each - pace.start) / pace.step)
    stages = (
        PlannedStage("search", seconds.search, f"about {trials} candidates of {pace.trial:.1f} s"),
        PlannedStage(
            "re-rank", seconds.rerank, f"{top} candidates and the baselines, {again} steps each"
        ),
        PlannedStage("train", seconds.train, f"{1 + len(baselines)} networks, {steps} steps each"),
        PlannedStage("rest", seconds.rest, "scores, pictures, export, report"),
    )
    return BudgetPlan(budget, seconds.search, trials, top, again, steps, baselines, stages, told)


def _short(
    budget: float, left: float, pace: Pace, ended: int, beside: int, told: str
) -> BudgetPlan:
    """The plan without a second ranking and without other networks beside the best. Fresh seeds
    of the best and the cheapest baseline tell whether it is better, where that takes little."""
    rest = PROOF + 2 * pace.scoring  # reading and checking images takes as long again
    search = SHORT_SEARCH * max(0.0, left - rest)
    trials = max(1, _whole(search * pace.workers / pace.trial) - beside)
    train, confirm = left - rest - search, 2 * SEEDS * pace.trial / pace.workers
    steps = _whole((train - pace.start - pace.scoring) / pace.step)
    fewer = _whole((train - confirm - pace.start - pace.scoring) / pace.step)
    seeds = SEEDS if confirm <= CONFIRM * train and fewer >= WANTED_STEPS else 0
    if seeds:
        train, steps = train - confirm, fewer
    if steps < LEAST_STEPS:
        raise AtrousError(
            f"--budget {budget:.0f}s is too short: here a trial takes {pace.trial:.1f} s and a "
            f"training step {pace.step:.2f} s, scores take {pace.scoring:.0f} s, and {ended} s are "
            f"over. Expected at least --budget {least_short(pace, ended):.0f}s."
        )
    again = f"the best and the cheapest baseline with {seeds} fresh seeds each"
    stages = (
        PlannedStage("search", search, f"the baselines and about {trials} candidates"),
        *([PlannedStage("compare", confirm, again)] if seeds else []),
        PlannedStage("train", train, f"the best, {steps} steps"),
        PlannedStage("rest", rest, "scores, pictures, export, report"),
    )
    return BudgetPlan(budget, search, trials, 0, 0, steps, (), stages, told, seeds)


def least_short(pace: Pace, ended: int, steps: int = LEAST_STEPS) -> float:
    """The shortest budget in seconds that leaves so many steps, rounded up to half a minute: the
    least that `split` accepts."""
    need = steps * pace.step + pace.start + pace.scoring
    whole = ended + PROOF + 2 * pace.scoring + need / (1 - SHORT_SEARCH)
    return ceil(round(whole / 30, 6)) * 30


def needs(pace: Pace, beside: int, baselines: int) -> Seconds:
    """The least that each stage is worth while with."""
    start = pace.trial / pace.workers
    return Seconds(
        search=(LEAST_TRIALS + beside) * start,
        rerank=(LEAST_AGAIN + beside) * (LEAST_STEPS * pace.step + start),
        train=(1 + baselines) * (LEAST_STEPS * pace.step + pace.start),
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
    """The shortest budget with which candidates are ranked again, in seconds, rounded up to half a
    minute."""
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
    """The seconds of a trial of the yardstick, of a training step of the job's network, of what
    goes before the first step, and of scoring it once.

    Raises `AtrousError` if the trial fails, or if the memory does not hold a step.
    """
    config = run.config
    trial = Trial(0, yardstick(config.space), Origin("pace"), config.seed)
    part = -(-config.proxy.steps // PACE)
    outcome = estimator(Job(trial, Rung(0, part)))
    if isinstance(outcome, Failed):
        plain = yardstick_name(config.space)
        raise AtrousError(f"A first trial, of {plain}, failed: {outcome.error}")
    mend = "Begin anew with a smaller --batch or --crop, and another --out."
    try:
        with within_memory(f"on {job.compute.device} to train", mend):
            step, start, scoring = training_seconds(job)
    finally:
        release(job.compute.device)
    seconds = outcome.seconds * config.proxy.steps / part
    return Pace(seconds, step, run.settings.workers, start, scoring)


def training_seconds(job: TrainingJob) -> tuple[float, float, float]:
    """Seconds of a training step, of what is computed before the first, and of scoring.

    Where a front stays as it is and crops return, their maps are computed once: a step is timed on
    maps that are there.
    """
    dataset, training, _ = job.samples()
    world, protocol = World(job.compute.device), job.protocol
    torch.set_num_threads(cores())
    network = build_network(job.blueprint, "none", protocol.seed)
    state = TrainingState(network, protocol, job.compute, world)
    source = source_of(state, crops_of(training, protocol, network.backbone.mean))
    begun = time.monotonic()
    kept = list(islice(parts(source, protocol, 0, world), protocol.accumulate))
    each = (time.monotonic() - begun) / protocol.batch
    returns = bool(protocol.frozen and protocol.variants)
    step = _timed(lambda: float(state.advance(kept)), "timing training steps")
    network.eval()
    pixels = torch.zeros(1, 3, *protocol.crop, dtype=torch.uint8)
    image = _timed(lambda: state.answer(pixels), "timing scores")
    scored = sum(len(samples) for name, samples in dataset.splits.items() if name != "train")
    if returns:
        return step, each * len(training) * protocol.variants, image * scored
    return step + each * protocol.batch, 0.0, image * scored


def _timed(work: Callable[[], object], label: str) -> float:
    starts: list[float] = []
    for _ in track(range(WARM + TIMED), label, WARM + TIMED):
        work()
        starts.append(time.monotonic())
    return (starts[-1] - starts[WARM - 1]) / TIMED
