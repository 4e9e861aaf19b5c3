"""Training a network, and the whole way in one go, with its demonstration."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atrous.cli.options import (
    RUNS,
    Told,
    cache_of,
    dated,
    refuse_to_change,
    require_dataset,
    resumed,
    takes,
    tell_score,
)
from atrous.core.console import command, say, stoppable
from atrous.core.errors import AtrousError, require_all
from atrous.core.requests import DemoRequest, Folders, TrainRequest, WholeRequest

if TYPE_CHECKING:
    from atrous.stages.train.config import Subject
    from atrous.stages.train.trainer import TrainingJob


TRAININGS = Path("trainings")


@takes(TrainRequest)
def train(told: Told) -> None:
    """Trains a network end to end into a model folder: a head with its backbone, or a whole one.

    The defaults are the papers' protocols. Under torchrun, several processes train together.
    """
    from atrous.stages.train.config import job_of, require_possible
    from atrous.stages.train.trainer import create, moved, read
    from atrous.training.world import announced

    how, _ = told.part("how").readable()

    def check(asked: TrainRequest) -> None:
        if asked.resume:
            refuse_to_change(told, "a training", "Begin another with another --out.")
        else:
            require_all(partial(_folder, asked.out), lambda: require_possible(_subject(asked, how)))

    asked = told.on(TrainRequest(), check)
    if asked.resume:
        job = read(asked.resume)
        _train(asked.resume, moved(asked.resume, job, how["data"]) if "data" in how else job)
        return
    folder = _folder(asked.out)
    job = job_of(_subject(asked, how))
    if announced("cpu").leads:
        create(folder, job)
    _train(folder, job)


def _subject(asked: TrainRequest, how: dict[str, Any]) -> Subject:
    """Returns what is to be trained, as the user says `how`; raises `AtrousError`."""
    from atrous.stages.train.config import subject_of

    if asked.source is None:
        raise AtrousError(
            "Expected what to train: atrous train RUN, or the name of an architecture."
        )
    return subject_of(asked.source, asked.trial, how)


def _folder(out: Path | None) -> Path:
    """Where a new training goes; raises `AtrousError` if one is there already."""
    from atrous.stages.train.trainer import require_none
    from atrous.training.world import announced

    world = announced("cpu")
    if out is None and world.size > 1:
        raise AtrousError("Under torchrun, name the folder of the training with --out.")
    folder = out or dated(TRAININGS)
    if world.leads:
        require_none(folder)
    return folder


def _train(folder: Path, found: TrainingJob) -> None:
    from atrous.stages.train import trainer
    from atrous.training.world import announced

    leads = announced("cpu").leads
    try:
        model = trainer.run(folder, found, tell_score)
    except KeyboardInterrupt:
        if leads:
            say(f"Stopped. Go on: {command('train', '--resume', folder)}")
        raise
    if not leads:
        return
    say(f"The model: {model}")
    say(f"Next: {command('evaluate', model, found.data)}")
    say(f"Then: {command('export', model, '--to', 'onnx')}")


@takes(WholeRequest)
def run(told: Told) -> None:
    """Checks, searches, re-ranks, trains, evaluates, exports and reports, within a budget of time.

    How the budget is split follows from a trial and a few training steps measured first.
    """
    from atrous.search.run import latest_run
    from atrous.spaces import known_space, quick_space
    from atrous.stages.whole.request import (
        BUDGET,
        WHOLE,
        begin,
        give,
        move,
        require_possible,
        usual,
    )

    if "resume" in told:
        may = "Begin another with another --out."
        changed = told.values(lambda _: refuse_to_change(told, "a run", may))
        folders = told.part("folders").on(Folders())
        folder = resumed(told, folders, partial(latest_run, about=WHOLE))
        if "budget" in changed:
            give(folder, changed["budget"])
        if folders.moved:
            move(folder, folders.moved)
        drive_whole(folder, cache_of(folders))
        return

    def check(asked: WholeRequest) -> None:
        require_all(
            partial(require_dataset, told, "run", asked.folders),
            partial(require_possible, asked.whole),
        )

    space = known_space(told.get("space", quick_space()))
    seconds = told.on(WholeRequest(usual(space)), check).whole.search.budget.seconds or BUDGET
    asked = told.on(WholeRequest(usual(space, seconds)))
    out = asked.folders.out or dated(RUNS)
    begin(asked.whole, out)
    drive_whole(out, cache_of(asked.folders))


def drive_whole(out: Path, cache: Path) -> None:
    """Goes through the stages that are left, and says how to go on if it is interrupted."""
    from atrous.report.page import judged, recommended_model
    from atrous.search.run import open_run
    from atrous.stages.whole.whole import finish

    with stoppable(lambda: f"Stopped. Go on: {command('run', '--resume', out)}"):
        page = finish(out, cache, say, tell_score)
    say(f"report: {page.resolve()}")
    run = open_run(out)
    if verdict := judged(run):
        say(verdict.words)
    say(f"the model: {recommended_model(run)}")


@takes(DemoRequest)
def demo(told: Told) -> None:
    """The whole way on built-in scenes with real pretrained weights, in a few minutes."""
    from atrous.stages.whole.request import WHOLE, begin, demo_config

    folders = told.made(DemoRequest).folders
    out = folders.out or Path("demo")
    if not (out / "run" / WHOLE).exists():
        begin(demo_config(out), out / "run")
    drive_whole(out / "run", cache_of(folders))
