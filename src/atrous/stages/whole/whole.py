"""A whole run, from a data set to a model with its proof.

Each stage does nothing where it was done, and goes on where it was stopped. In the run's folder,
beside what a search and a re-ranking keep there:

whole.json                      what was asked for
plan.json                       how the budget is split
trained/NAME/                   a training run, with the model in model/
trained/NAME/evaluation/SPLIT/  scores and pictures
trained/NAME/export.json        the exported file, and how it agrees
trained/NAME/latency.json       how long an image takes
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from atrous.core.config import RerankConfig, SearchConfig, TrainingConfig
from atrous.core.errors import AtrousError
from atrous.core.options import replaced
from atrous.data.canvas import require_crop
from atrous.data.dataset import select
from atrous.data.layouts import read_dataset
from atrous.estimation.estimators import estimator_of
from atrous.networks.backbones import outline
from atrous.networks.compute import pick_device
from atrous.report.page import write_report
from atrous.search.run import ABOUT, RERANK, Run, extend, open_run, require_no_run
from atrous.spaces import find_architecture, needs_backbone
from atrous.stages import rerank
from atrous.stages import search as driver
from atrous.stages.search_view import SearchView, state_of, total_of
from atrous.stages.train import job as jobs
from atrous.stages.train import trainer
from atrous.stages.train.config import job_of
from atrous.stages.whole.finish import evaluated, exported, timed
from atrous.stages.whole.pace import YARDSTICK, measure_pace
from atrous.stages.whole.plan import PLAN, Plan, read_plan, split, write_plan
from atrous.stages.whole.trained import (
    TRAINED,
    Candidate,
    candidates,
    training_of,
)
from atrous.stages.whole.wish import WISH, Wish, read_wish, write_wish
from atrous.training.loop import Watch

Say = Callable[[str], None]
BUDGET = 7200
"""Seconds, where a run has no limit."""
STEPS = 1000
"""Of the training whose first steps are timed."""
YARDSTICK_CANDIDATE = Candidate("yardstick", YARDSTICK, find_architecture(YARDSTICK))


def begin(wish: Wish, out: Path) -> None:
    """Keeps what is asked for; `finish` does it. Raises `AtrousError`."""
    _require_cells(wish.config)
    config = driver.lasting(wish.config)
    driver.require_possible(config)
    if wish.crop:
        require_crop(wish.crop, config.encoder.output_stride)
    if wish.batch < 2:
        raise AtrousError(f"--batch is at least 2, got {wish.batch}.")
    _require_time(config.budget.seconds)
    _require_room(out)
    _require_there(config)
    write_wish(replace(wish, config=config), out)


def give(out: Path, seconds: float) -> None:
    """Another budget for a run, as long as it is not split. Raises `AtrousError`."""
    wish = read_wish(out)
    _require_time(seconds)
    if (out / PLAN).exists():
        raise AtrousError(
            f"The budget of {out} is split already, as {out / PLAN} says, so --budget cannot be "
            f"changed. Go on without it: atrous run --resume {out}"
        )
    write_wish(replace(wish, config=replaced(wish.config, time=seconds)), out)


def _require_cells(config: SearchConfig) -> None:
    """Raises `AtrousError` for a space of whole networks, of which no trial is a measure of the
    time that the stages take."""
    if not needs_backbone(config.space):
        raise AtrousError(
            f"Expected a space of cells on a backbone, such as dpc, got --space {config.space}. "
            "Go the way of whole networks stage by stage: atrous search "
            f"{config.data.path} --space {config.space}, then rerank, train, evaluate and export."
        )


def _require_time(seconds: float | None) -> None:
    if seconds is not None and not seconds > 0:
        raise AtrousError(f"--budget is a time such as 30m or 2h, got {seconds:g} s.")


def _require_room(out: Path) -> None:
    """Raises `AtrousError` if a run has begun in the folder; until then, it may be asked anew."""
    if (out / WISH).exists() and (out / ABOUT).exists():
        raise AtrousError(
            f"There is a run in {out} already. Go on with it: atrous run --resume {out}; or name "
            "another folder with --out."
        )
    require_no_run(out)


def _require_there(config: SearchConfig) -> None:
    """Raises `AtrousError` for data, a backbone or a device that there is not."""
    select(read_dataset(Path(config.data.path)), config.data.select_on)
    outline(config.encoder.backbone, config.encoder.output_stride)
    pick_device(config.machine.device)


def finish(out: Path, cache: Path, say: Say, watch: Watch) -> Path:
    """Goes through what is left; gives the path of the report. Raises `AtrousError`."""
    prepare(out, cache)
    plan = read_plan(out)
    say(plan.told)
    for name, seconds, why in plan.stages:
        say(f"  {name}: {seconds / 60:.1f} minutes, {why}")
    say("1/5 search")
    search(out, plan, cache)
    say("2/5 re-rank")
    again(out, plan, cache)
    run = open_run(out)
    for candidate in candidates(run, plan.baselines):
        say(f"3/5 train {candidate.name} ({candidate.label})")
        train(run, plan, candidate, cache, watch)
    for candidate in candidates(run, plan.baselines):
        say(f"4/5 evaluate, export and time {candidate.name}")
        prove(run, candidate)
    say("5/5 report")
    return write_report(run)


def prepare(out: Path, cache: Path) -> None:
    """Checks everything, begins the search, and splits the budget by how fast this machine is."""
    wish, start = read_wish(out), time.monotonic()
    estimator = None
    if not (out / ABOUT).exists():
        _, estimator = driver.begin(wish.config, out, cache)
    if (out / PLAN).exists():
        return
    run = open_run(out)
    job = job_of(training_of(run, YARDSTICK_CANDIDATE, STEPS, wish))
    pace = measure_pace(run, estimator or estimator_of(run, cache), job)
    ended = round(time.monotonic() - start)
    budget = BUDGET if wish.config.budget.seconds is None else wish.config.budget.seconds
    beside = len(wish.config.baselines)
    try:
        plan = split(budget, pace, ended, beside, (YARDSTICK,), wish.stretch)
    except AtrousError as error:
        raise AtrousError(
            f"{error} Go on with more: atrous run --resume {out} --budget ...; or begin anew with "
            "fewer --steps and another --out."
        ) from error
    extend(run, plan.trials, plan.search_seconds)
    write_plan(plan, out)


def search(out: Path, plan: Plan, cache: Path) -> None:
    """The search, for its share of the budget."""
    run = open_run(out)
    entries = run.ledger().entries()
    if state_of(run, entries, running=False).startswith("complete"):
        return
    view = SearchView(total_of(run), plan.search_seconds, entries)
    with view.shown():
        driver.proceed(run, estimator_of(run, cache), view.watch)


def again(out: Path, plan: Plan, cache: Path) -> None:
    """The re-ranking of the best."""
    run, wish = open_run(out), read_wish(out)
    if not (run.path / RERANK).exists():
        rerank.begin(
            run,
            RerankConfig(
                plan.top, TrainingConfig(plan.rerank_steps, batch=wish.batch, crop=wish.crop)
            ),
        )
    total = len(rerank.read(run).trials) + len(run.config.baselines)
    if len(run.reranked()) >= total:
        return
    view = SearchView(total, None, run.reranked())
    with view.shown():
        rerank.proceed(run, cache, view.watch)


def train(run: Run, plan: Plan, candidate: Candidate, cache: Path, watch: Watch) -> None:
    """The training of one network, from its cell as the proxy leaves it."""
    folder = run.path / TRAINED / candidate.name
    if not (folder / jobs.ABOUT).exists():
        jobs.create(
            folder, job_of(training_of(run, candidate, plan.train_steps, read_wish(run.path)))
        )
    trainer.run(folder, jobs.read(folder), watch, start=rerank.warm_start(run, cache))


def prove(run: Run, candidate: Candidate) -> None:
    """Scores, exported file and latency of one trained network."""
    folder = run.path / TRAINED / candidate.name
    dataset = read_dataset(Path(run.config.data.path))
    for name, samples in dataset.splits.items():
        if samples and name != "train":
            evaluated(folder, Path(run.config.data.path), name, run.settings.device)
    exported(folder)
    timed(folder, run.settings.device)
