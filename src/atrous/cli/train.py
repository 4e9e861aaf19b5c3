"""Training a network, and the whole way in one go, with its demonstration."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atrous.cli.options import (
    RUNS,
    CacheOption,
    MovedOption,
    ResumeOption,
    Told,
    default_cache,
    extendable,
    given,
    refuse_moved,
    takes,
    tell_score,
)
from atrous.core.config import TrainConfig, WholeConfig
from atrous.core.console import command, say
from atrous.core.errors import AtrousError

if TYPE_CHECKING:
    from atrous.stages.train.trainer import TrainingJob


TRAININGS = Path("trainings")


@takes(TrainConfig)
def train(
    context: typer.Context,
    told: Told,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN|ARCHITECTURE",
            help="A run, whose best is trained; or a published architecture, as atrous spaces "
            "lists, a genotype, a .json file.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The folder [trainings/DATE].")] = None,
    trial: Annotated[
        int | None, typer.Option(help="Another trial of the run than its best.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with the training in this folder.")
    ] = None,
) -> None:
    """Trains a network end to end into a model folder: a head with its backbone, or a whole one.

    The defaults are the papers' protocols. Under torchrun, several processes train together.
    """
    from atrous.stages.train.config import job_of, subject_of
    from atrous.stages.train.trainer import create, moved, read
    from atrous.training.world import announced

    if resume:
        _refuse_to_change("a training", given(context, "resume", "data"))
        job = read(resume)
        _train(resume, moved(resume, job, told.values()["data"]) if "data" in told else job)
        return
    if source is None:
        raise AtrousError(
            "Expected what to train: atrous train RUN, or the name of an architecture."
        )
    folder = _folder(out)
    job = job_of(subject_of(source, trial, told.values()))
    if announced("cpu").leads:
        create(folder, job)
    _train(folder, job)


def _refuse_to_change(what: str, changed: list[str]) -> None:
    if changed:
        raise AtrousError(
            f"With --resume, {what} goes on as it began: {', '.join(changed)} cannot be changed. "
            "Begin another with another --out."
        )


def _folder(out: Path | None) -> Path:
    """Where a new training goes; raises `AtrousError` if one is there already."""
    from atrous.stages.train.trainer import require_none
    from atrous.training.world import announced

    world = announced("cpu")
    if out is None and world.size > 1:
        raise AtrousError("Under torchrun, name the folder of the training with --out.")
    folder = out or TRAININGS / datetime.now().strftime("%Y-%m-%d-%H%M%S")
    if world.leads:
        require_none(folder)
    return folder


def _train(folder: Path, found: TrainingJob) -> None:
    from atrous.stages.train import trainer
    from atrous.training.world import announced

    leads = announced("cpu").leads
    try:
        model = trainer.run(folder, found, partial(tell_score, score=found.protocol.score))
    except KeyboardInterrupt:
        if leads:
            say(f"Stopped. Go on: {command('train', '--resume', folder)}")
        raise
    if not leads:
        return
    say(f"The model: {model}")
    say(f"Next: {command('evaluate', model, found.data)}")
    say(f"Then: {command('export', model, '--to', 'onnx')}")


@takes(WholeConfig)
def run(
    context: typer.Context,
    told: Told,
    out: Annotated[Path | None, typer.Option(help="The run's folder [runs/DATE].")] = None,
    resume: ResumeOption = False,
    moved: MovedOption = None,
    cache: CacheOption = None,
) -> None:
    """Checks, searches, re-ranks, trains, evaluates, exports and reports, within a budget of time.

    How the budget is split follows from a trial and a few training steps measured first.
    """
    from atrous.search.run import latest_run
    from atrous.spaces import default_family
    from atrous.stages.whole.whole import WHOLE, begin, give, move, usual

    kept = cache or default_cache()
    if resume:
        _refuse_to_change(
            "a run",
            given(context, "data", "out", "resume", "moved", "cache", *extendable(WholeConfig)),
        )
        folder = Path(told.get("data", "")) if "data" in told else out or latest_run(RUNS, WHOLE)
        if "budget" in told:
            give(folder, told.values()["budget"])
        if moved:
            move(folder, moved)
        drive_whole(folder, kept)
        return
    refuse_moved(moved)
    if "data" not in told:
        raise AtrousError("Expected the folder of a data set: atrous run DATA.")
    out = out or RUNS / datetime.now().strftime("%Y-%m-%d-%H%M%S")
    begin(told.on(usual(told.get("space", default_family().name))), out)
    drive_whole(out, kept)


def drive_whole(out: Path, cache: Path) -> None:
    """Goes through the stages that are left, and says how to go on if it is interrupted."""
    from atrous.report.page import judged, recommended_model
    from atrous.search.run import open_run
    from atrous.stages.whole.whole import finish

    try:
        page = finish(out, cache, say, tell_score)
    except KeyboardInterrupt:
        say(f"Stopped. Go on: {command('run', '--resume', out)}")
        raise
    say(f"report: {page.resolve()}")
    run = open_run(out)
    if verdict := judged(run):
        say(verdict.words)
    say(f"the model: {recommended_model(run)}")


def demo(
    out: Annotated[Path, typer.Option(help="Where everything goes.")] = Path("demo"),
    cache: CacheOption = None,
) -> None:
    """The whole way on built-in scenes with real pretrained weights, in a few minutes."""
    from atrous.stages.whole.whole import WHOLE, begin, demo_config

    run, kept = out / "run", cache or default_cache()
    if not (run / WHOLE).exists():
        begin(demo_config(out), run)
    drive_whole(run, kept)
