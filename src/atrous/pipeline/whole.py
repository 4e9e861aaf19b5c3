"""A whole run, from a data set to a model with its proof.

Each stage does nothing where it was done, and goes on where it was stopped. In the run's folder,
beside what a search and a re-ranking keep there:

plan.json                       how the budget is split
trained/NAME/                   a training run, with the model in model/
trained/NAME/evaluation/SPLIT/  scores and pictures
trained/NAME/export.json        the exported file, and how it agrees
trained/NAME/latency.json       how long an image takes
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from atrous import driver, rerank
from atrous.data.layouts import read_dataset
from atrous.estimation.crop import Size, require_crop
from atrous.material import Material, material_of
from atrous.named import find_architecture
from atrous.pipeline.finish import evaluated, exported, timed
from atrous.pipeline.pace import YARDSTICK, measure_pace
from atrous.pipeline.plan import PLAN, Plan, read_plan, split, write_plan
from atrous.pipeline.trained import (
    BATCH,
    RATE,
    TRAINED,
    Candidate,
    candidates,
    training_ask,
)
from atrous.report.page import write_report
from atrous.request import Request
from atrous.run import RERANK, Run, extend, open_run
from atrous.search_view import SearchView, state_of, total_of
from atrous.training import job as jobs
from atrous.training import trainer
from atrous.training.ask import job_of
from atrous.training.loop import Watch

Say = Callable[[str], None]
BUDGET = 7200
"""Seconds, where a run has no limit."""
STEPS = 1000
"""Of the training whose first steps are timed."""
YARDSTICK_CANDIDATE = Candidate("yardstick", YARDSTICK, find_architecture(YARDSTICK))


def begin(request: Request, out: Path, cache: Path, crop: Size | None = None) -> None:
    """Checks everything, begins the search, and splits the budget, `request.seconds`.

    How it is split follows from how fast this machine is. `crop` is what networks are trained on,
    derived from the images if left open. Raises `AtrousError`.
    """
    if crop:
        require_crop(crop, request.output_stride)
    start = time.monotonic()
    _, material = driver.begin(request, out, cache)
    _split(open_run(out), material, round(time.monotonic() - start), crop)


def _split(run: Run, material: Material, ended: int, crop: Size | None) -> None:
    """Plans what is left of the budget when so many seconds are over."""
    request, start = run.request, time.monotonic()
    job = job_of(training_ask(run, YARDSTICK_CANDIDATE, STEPS, crop))
    pace = measure_pace(run, material, job)
    ended += round(time.monotonic() - start)
    budget = request.seconds or BUDGET
    plan = split(budget, pace, ended, len(request.baselines), (YARDSTICK,), crop)
    extend(run, plan.trials, plan.search_seconds)
    write_plan(plan, run.path)


def finish(out: Path, cache: Path, say: Say, watch: Watch) -> Path:
    """Goes through the stages that are left; gives the path of the report. Raises `AtrousError`."""
    run = open_run(out)
    if not (out / PLAN).exists():
        _split(run, material_of(run, cache), 0, None)
    plan = read_plan(out)
    say(plan.told)
    for name, seconds, why in plan.stages:
        say(f"  {name}: {seconds / 60:.1f} minutes, {why}")
    say("1/5 search")
    search(out, plan, cache)
    say("2/5 re-rank")
    again(out, plan)
    run = open_run(out)
    for candidate in candidates(run, plan.baselines):
        say(f"3/5 train {candidate.name} ({candidate.label})")
        train(run, plan, candidate, watch)
    for candidate in candidates(run, plan.baselines):
        say(f"4/5 evaluate, export and time {candidate.name}")
        prove(run, candidate)
    say("5/5 report")
    return write_report(run)


def search(out: Path, plan: Plan, cache: Path) -> None:
    """The search, for its share of the budget."""
    run = open_run(out)
    entries = run.ledger().entries()
    if state_of(run, entries, running=False).startswith("complete"):
        return
    view = SearchView(total_of(run), plan.search_seconds, entries)
    with view.shown():
        driver.proceed(run, material_of(run, cache), view.watch)


def again(out: Path, plan: Plan) -> None:
    """The re-ranking of the best."""
    run = open_run(out)
    if not (run.path / RERANK).exists():
        rerank.begin(
            run,
            rerank.Ask(
                top=plan.top,
                steps=plan.rerank_steps,
                batch=BATCH,
                rate=RATE,
                crop=plan.crop,
                workers=None,
                seconds=None,
            ),
        )
    total = len(rerank.read(run).trials) + len(run.request.baselines)
    if len(run.reranked()) >= total:
        return
    view = SearchView(total, None, run.reranked())
    with view.shown():
        rerank.proceed(run, view.watch)


def train(run: Run, plan: Plan, candidate: Candidate, watch: Watch) -> None:
    """The training of one network."""
    folder = run.path / TRAINED / candidate.name
    if not (folder / jobs.ABOUT).exists():
        jobs.create(folder, job_of(training_ask(run, candidate, plan.train_steps, plan.crop)))
    trainer.run(folder, jobs.read(folder), watch)


def prove(run: Run, candidate: Candidate) -> None:
    """Scores, exported file and latency of one trained network."""
    folder = run.path / TRAINED / candidate.name
    dataset = read_dataset(Path(run.request.data))
    for name, samples in dataset.splits.items():
        if samples and name != "train":
            evaluated(folder, Path(run.request.data), name, run.settings.device)
    exported(folder)
    timed(folder, run.settings.device)
