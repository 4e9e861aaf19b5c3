"""Training a whole network."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atrous.cli.options import Told, given, takes, tell_score
from atrous.core.config import TrainConfig
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
        _refuse_to_change(given(context, "resume", "data"))
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


def _refuse_to_change(changed: list[str]) -> None:
    if changed:
        raise AtrousError(
            f"With --resume, a training goes on as it began: {', '.join(changed)} cannot be "
            "changed. Begin another with --out."
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
