"""How a budget of time is split over the stages, told from what steps and a trial took here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from math import ceil, floor
from pathlib import Path

import torch

from atrous.core.config import ProxyConfig
from atrous.core.console import track
from atrous.core.errors import AtrousError, within_memory
from atrous.core.records import Amount, Count, Positive, read, write
from atrous.core.trial import Failed, Job, Origin, Rung, Trial
from atrous.estimation.tune import Workload, step_seconds
from atrous.networks.compute import Precision, cores, release
from atrous.report.trained import PLAN, PlannedStage
from atrous.search.loop import Estimator
from atrous.search.run import Run
from atrous.spaces import yardstick, yardstick_name
from atrous.spaces.blueprint import blank_network, build_network
from atrous.spaces.space import from_stride
from atrous.stages.train.trainer import TrainingJob
from atrous.training.crops import crops_of, parts
from atrous.training.loop import source_of
from atrous.training.state import TrainingState
from atrous.training.world import World

WARM, TIMED = 2, 3
FORMAT = 2
SEARCH, RERANK, TRAIN = 0.35, 0.2, 0.35
"""Shares of the budget; the rest is for scoring, export and what goes wrong."""
LEAST_TRIALS, LEAST_STEPS = 6, 20
MOST_AGAIN, WANTED_STEPS = 50, 300
"""So many are ranked again at most, and rather fewer than with less than so many steps each."""
LEAST_AGAIN = 3
SHORT = 7200
"""Seconds: with less, nothing is ranked again, and one network is trained, for all that is left."""
SHORT_SEARCH = 0.2
WORTH = 0.25
"""Where features and the least number of trials take a larger share of the time, nothing is
searched: what so few trials find is luck, and the time is worth more to a training."""
SEEDS, CONFIRM = 3, 0.2
"""So many seeds tell the best from the cheapest baseline, for this share of the time to train."""
PROOF = 35
"""Seconds that the export, the latency and the page take, whatever the network."""
UNFROZEN_STEPS = 1000
"""Where so many steps fit in, all of the backbone learns: fewer gain more on maps that are kept."""
PACE = 3
"""The trial that is timed has this part of the steps of others."""
SCORES = 3
"""A training is scored so often."""


@dataclass(frozen=True)
class Regime:
    """How a network is trained that has the machine to itself: its backbone as it is up to stride
    `frozen` (0: all of it learns), products in `precision`; and seconds of a `step`, and of what
    goes before the first one, the `start`."""

    frozen: Count
    precision: Precision
    step: Amount = 0.0
    start: Amount = 0.0


@dataclass(frozen=True)
class Timing:
    """Measured speed before anything is searched: training `regimes`, seconds of `scoring` all
    images that a trained network is scored on, of computing all `features`, and of a `trial`."""

    regimes: tuple[Regime, ...]
    scoring: float
    features: float
    trial: float

    def paces(self, trial: float, workers: int) -> tuple[Pace, Pace]:
        """The pace with the quickest regime in which all of the network learns, and that with the
        quickest of all: the first is preferred where it allows for enough steps."""
        whole = min((r for r in self.regimes if not r.frozen), key=lambda r: r.step)
        quickest = min(self.regimes, key=lambda r: r.step)
        return (
            Pace(trial, whole, workers, self.scoring),
            Pace(trial, quickest, workers, self.scoring),
        )


@dataclass(frozen=True)
class Pace:
    """Measured speed: seconds of a trial on cached features, with `workers` trials at a time, the
    regime of trainings, and seconds of scoring all images that a trained network is scored on.
    Where a trial takes 0, nothing is searched."""

    trial: float
    regime: Regime
    workers: int = 1
    scoring: float = 0.0


@dataclass(frozen=True)
class BudgetPlan:
    """Seconds and candidates for the search, steps for what follows. `baselines` are trained beside
    the best. Where `trials` is 0, nothing is searched, where `top` is 0, nothing ranked again. With
    so many fresh `seeds` the best, as many as `read`, and the cheapest baseline are compared.
    `regime` is how networks are trained.

    `told` says in words how the split was found.
    """

    budget: Amount
    search_seconds: Amount
    trials: Count
    top: Count
    rerank_steps: Count
    train_steps: Positive
    baselines: tuple[str, ...]
    stages: tuple[PlannedStage, ...]
    told: str
    regime: Regime
    seeds: Count = 0
    read: Count = 0


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


def best_split(
    budget: float,
    paces: tuple[Pace, Pace],
    ended: int,
    beside: int,
    baselines: tuple[str, ...],
    most: int = 1,
) -> BudgetPlan:
    """The plan in which all of the network learns, if its training has enough steps; else the one
    of the quickest regime. Which it is, is told by the time that the plan itself leaves to train.

    Raises `AtrousError` if the budget is too short for either.
    """
    whole, quickest = paces
    with suppress(AtrousError):
        plan = split(budget, whole, ended, beside, baselines, most)
        if plan.train_steps >= UNFROZEN_STEPS:
            return plan
    return split(budget, quickest, ended, beside, baselines, most)


def split(
    budget: float,
    pace: Pace,
    ended: int,
    beside: int,
    baselines: tuple[str, ...],
    most: int = 1,
) -> BudgetPlan:
    """The plan for `budget` seconds, of which `ended` are over already.

    So many as `beside` are searched and ranked again beside the candidates; `baselines` are trained
    beside the best. A budget that is short for that goes into a search, up to `most` of its best
    with fresh seeds, and the training of one network. Raises `AtrousError` if it is too short for
    that, too.
    """
    left = max(0.0, budget - ended)
    if not pace.trial:
        return _alone(budget, left, pace, ended)
    told = (
        f"A trial on cached features took {pace.trial:.1f} s here, {pace.workers} at a time, and a "
        f"training step {pace.regime.step:.2f} s; {ended} s went into checks and features."
    )
    if budget < max(SHORT, least_budget(pace, ended, beside, len(baselines))):
        return _short(budget, left, pace, ended, beside, told, most)
    seconds = Seconds(SEARCH * left, RERANK * left, TRAIN * left)
    trials = _whole(seconds.search * pace.workers / pace.trial) - beside
    top, again = _second_round(seconds.rerank, pace, beside)
    # Where the search looked at all images, the second ranking is what there is to tell.
    read, confirm = _reading(most, seconds.train, pace) if most > 1 else (0, 0.0)
    seconds = replace(seconds, train=seconds.train - confirm)
    each = seconds.train / (1 + len(baselines))
    steps = _whole((each - pace.regime.start) / pace.regime.step)
    stages = (
        PlannedStage("search", seconds.search, f"about {trials} candidates of {pace.trial:.1f} s"),
        PlannedStage(
            "re-rank", seconds.rerank, f"{top} candidates and the baselines, {again} steps each"
        ),
        *_compare_stage(read, confirm),
        PlannedStage("train", seconds.train, f"{1 + len(baselines)} networks, {steps} steps each"),
        PlannedStage("rest", seconds.rest, "scores, pictures, export, report"),
    )
    return BudgetPlan(
        *(budget, seconds.search, trials, top, again, steps, baselines, stages, told),
        *(pace.regime, SEEDS if read else 0, read),
    )


def _short(
    budget: float, left: float, pace: Pace, ended: int, beside: int, told: str, most: int
) -> BudgetPlan:
    """The plan without a second ranking and without other networks beside the best. Fresh seeds
    of the best and the cheapest baseline tell whether it is better, where that takes little."""
    rest = _rest(pace)
    search = SHORT_SEARCH * max(0.0, left - rest)
    trials = max(1, _whole(search * pace.workers / pace.trial) - beside)
    train = left - rest - search
    read, confirm = _reading(most, train, pace)
    train -= confirm
    steps = _trained_steps(train, pace)
    _require_steps(steps, budget, pace, ended)
    stages = (
        PlannedStage("search", search, f"the baselines and about {trials} candidates"),
        *_compare_stage(read, confirm),
        PlannedStage("train", train, f"the best, {steps} steps"),
        PlannedStage("rest", rest, "scores, pictures, export, report"),
    )
    return BudgetPlan(
        *(budget, search, trials, 0, 0, steps, (), stages, told),
        *(pace.regime, SEEDS if read else 0, read),
    )


def _trained_steps(seconds: float, pace: Pace) -> int:
    """How many steps a training takes in so many seconds."""
    return _whole((seconds - pace.regime.start - pace.scoring) / pace.regime.step)


def _reading(most: int, train: float, pace: Pace) -> tuple[int, float]:
    """How many of the best, up to `most`, are trained with fresh seeds beside the cheapest
    baseline, and the seconds of that, which are taken from the time to train."""
    each = SEEDS * pace.trial / pace.workers
    able = (n for n in range(most, 0, -1) if _is_worth((n + 1) * each, train, pace))
    read = next(able, 0)
    return read, (read + 1) * each if read else 0.0


def _compare_stage(read: int, seconds: float) -> list[PlannedStage]:
    best = f"the best {read}" if read > 1 else "the best"
    why = f"{best} and the cheapest baseline with {SEEDS} fresh seeds each"
    return [PlannedStage("compare", seconds, why)] if read else []


def _is_worth(confirm: float, train: float, pace: Pace) -> bool:
    """Whether fresh seeds take a small share of the time to train, and leave enough steps."""
    return confirm <= CONFIRM * train and _trained_steps(train - confirm, pace) >= WANTED_STEPS


def _alone(budget: float, left: float, pace: Pace, ended: int) -> BudgetPlan:
    """The plan that trains one network for all the time."""
    rest = _rest(pace)
    train = left - rest
    steps = _whole((train - pace.regime.start - pace.scoring) / pace.regime.step)
    _require_steps(steps, budget, pace, ended)
    stages = (
        PlannedStage("train", train, f"one network, {steps} steps"),
        PlannedStage("rest", rest, "scores, pictures, export, report"),
    )
    told = (
        f"A training step took {pace.regime.step:.2f} s here, and {ended} s went into checks: so "
        "little time is worth more to a training than to a search."
    )
    return BudgetPlan(budget, 0.0, 0, 0, 0, steps, (), stages, told, pace.regime)


def _rest(pace: Pace) -> float:
    """Seconds for what follows the training: reading and checking images takes as long again as
    scoring them."""
    return PROOF + 2 * pace.scoring


def _require_steps(steps: int, budget: float, pace: Pace, ended: int) -> None:
    if steps < LEAST_STEPS:
        trial = f"a trial takes {pace.trial:.1f} s and " if pace.trial else ""
        raise AtrousError(
            f"--budget {budget:.0f}s is too short: here {trial}a training step takes "
            f"{pace.regime.step:.2f} s, scores take {pace.scoring:.0f} s, and {ended} s are over. "
            f"Expected at least --budget {least_short(pace, ended):.0f}s."
        )


def least_short(pace: Pace, ended: int, steps: int = LEAST_STEPS) -> float:
    """The shortest budget in seconds that leaves so many steps, rounded up to half a minute: the
    least that `split` accepts."""
    need = steps * pace.regime.step + pace.regime.start + pace.scoring
    share = 1 - SHORT_SEARCH if pace.trial else 1.0
    whole = ended + _rest(pace) + need / share
    return ceil(round(whole / 30, 6)) * 30


def worth_searching(left: float, timing: Timing, beside: int) -> bool:
    """Whether features and a few trials, with so many `beside` them, take a small share of what is
    left of a budget."""
    need = timing.features + (beside + LEAST_TRIALS) * timing.trial
    return need <= WORTH * (left - PROOF - 2 * timing.scoring)


def needs(pace: Pace, beside: int, baselines: int) -> Seconds:
    """The least that each stage is worth while with."""
    start = pace.trial / pace.workers
    return Seconds(
        search=(LEAST_TRIALS + beside) * start,
        rerank=(LEAST_AGAIN + beside) * (LEAST_STEPS * pace.regime.step + start),
        train=(1 + baselines) * (LEAST_STEPS * pace.regime.step + pace.regime.start),
    )


def _second_round(seconds: float, pace: Pace, beside: int) -> tuple[int, int]:
    """How many are ranked again, and with how many steps each; each begins with a trial."""
    start = pace.trial / pace.workers
    top = _whole(seconds / (WANTED_STEPS * pace.regime.step + start)) - beside
    top = max(LEAST_AGAIN, min(MOST_AGAIN, top))
    return top, _whole((seconds / (top + beside) - start) / pace.regime.step)


def _whole(number: float) -> int:
    """The number rounded down; what lacks a rounding error to a whole number counts as whole."""
    return floor(number + 1e-9)


def least_budget(pace: Pace, ended: int, beside: int, baselines: int) -> float:
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


def trial_seconds(run: Run, estimator: Estimator) -> float:
    """The seconds of a trial of the yardstick; raises `AtrousError` if it fails."""
    config = run.config
    trial = Trial(0, yardstick(config.space), Origin("pace"), config.seed)
    part = -(-config.proxy.steps // PACE)
    outcome = estimator(Job(trial, Rung(0, part)))
    if isinstance(outcome, Failed):
        plain = yardstick_name(config.space)
        raise AtrousError(f"A first trial, of {plain}, failed: {outcome.error}")
    return outcome.seconds * config.proxy.steps / part


def measure_regimes(jobs: Sequence[TrainingJob], asked: ProxyConfig) -> Timing:
    """Times the first steps of trainings that differ in how they train one network, and what a
    trial of its head would take.

    Raises `AtrousError` if the memory does not hold a step.
    """
    mend = "Begin anew with a smaller --batch or --crop, and another --out."
    device = jobs[0].compute.device
    try:
        with within_memory(f"on {device} to train", mend):
            regimes = tuple(map(_regime, jobs))
            image = _scoring_seconds(jobs[0])
            step = step_seconds(workload_of(jobs[0], asked), jobs[0].compute)
    finally:
        release(device)
    dataset, training, selection = jobs[0].samples()
    scored = sum(len(samples) for name, samples in dataset.splits.items() if name != "train")
    read = len(training) + len(selection)
    return Timing(regimes, image * scored, image * read, asked.steps * step)


def _regime(job: TrainingJob) -> Regime:
    """Times a training. Where a front stays as it is and crops return, their maps are computed
    once, before the first step: a step is timed on maps that are there."""
    protocol, world = job.protocol, World(job.compute.device)
    training = job.samples()[1]
    torch.set_num_threads(cores())
    network = build_network(job.blueprint, "none", protocol.seed)
    state = TrainingState(network, protocol, job.compute, world)
    source = source_of(state, crops_of(training, protocol, network.backbone.mean))
    begun = time.monotonic()
    kept = list(islice(parts(source, protocol, 0, world), protocol.accumulate))
    batch = time.monotonic() - begun
    step = _timed(lambda: float(state.advance(kept)), "timing training steps")
    if protocol.frozen and protocol.variants:
        start = batch / protocol.batch * len(training) * protocol.variants
        return Regime(protocol.frozen, job.compute.precision, step, start)
    return Regime(protocol.frozen, job.compute.precision, step + batch)


def _scoring_seconds(job: TrainingJob) -> float:
    """Seconds that a network takes for an image."""
    network = build_network(job.blueprint, "none", job.protocol.seed)
    state = TrainingState(network, job.protocol, job.compute, World(job.compute.device))
    network.eval()
    pixels = torch.zeros(1, 3, *job.protocol.crop, dtype=torch.uint8)
    return _timed(lambda: state.answer(pixels), "timing scores")


def workload_of(job: TrainingJob, asked: ProxyConfig) -> Workload:
    """A training step of a trial, of the head of the network that a job trains."""
    encoder = blank_network(job.blueprint).backbone
    return Workload(
        job.blueprint.architecture,
        from_stride(encoder.channels, job.blueprint.finest_stride),
        job.protocol.crop,
        asked.filters,
        len(job.blueprint.classes),
        asked.batch,
    )


def _timed(work: Callable[[], object], label: str) -> float:
    starts: list[float] = []
    for _ in track(range(WARM + TIMED), label, WARM + TIMED):
        work()
        starts.append(time.monotonic())
    return (starts[-1] - starts[WARM - 1]) / TIMED
