"""Training a whole network."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from atrous.cli.options import given
from atrous.cli.shared import tell_score
from atrous.core.console import output
from atrous.core.errors import AtrousError

if TYPE_CHECKING:
    from atrous.stages.train.ask import Ask
    from atrous.stages.train.job import Job

TRAININGS = Path("trainings")


def train(
    context: typer.Context,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN|ARCHITECTURE",
            help="A run, whose best is trained; or dpc:top1, auto_deeplab:published, a genotype, "
            "a .json file.",
        ),
    ] = None,
    data: Annotated[str | None, typer.Option(help="A data set [the run's].")] = None,
    out: Annotated[Path | None, typer.Option(help="The folder [trainings/DATE].")] = None,
    trial: Annotated[
        int | None, typer.Option(help="Another trial of the run than its best.")
    ] = None,
    select_on: Annotated[
        str | None, typer.Option(help="What the best weights are chosen on [the run's, or val].")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="A timm model [the run's, or tf_efficientnet_lite0].")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="auto, builtin, none, or a file [the run's if it has the backbone]."),
    ] = None,
    output_stride: Annotated[int | None, typer.Option(help="8 or 16 [the run's, or 16].")] = None,
    filters: Annotated[
        int | None,
        typer.Option(help="Width of the cell, or F of a whole network [the run's, or 256; 20]."),
    ] = None,
    decoder: Annotated[
        bool, typer.Option("--decoder", help="Add the decoder of DeepLabv3+ at stride 4.")
    ] = False,
    steps: Annotated[int | None, typer.Option(help="Training steps [30000].")] = None,
    batch: Annotated[int, typer.Option(help="Images a step, over all processes.")] = 8,
    crop: Annotated[
        str | None, typer.Option(help="HxW of a training crop [the largest image, 513 at most].")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Base learning rate [0.01; 0.05 for a whole network].")
    ] = None,
    weight_decay: Annotated[float, typer.Option(help="On convolutions.")] = 4e-5,
    random_scales: Annotated[
        str, typer.Option(help="Of random scaling, each equally likely.")
    ] = "0.5,0.75,1,1.25,1.5,1.75,2",
    flip: Annotated[bool, typer.Option(help="Random left-right flips.")] = True,
    tune_norm: Annotated[
        bool, typer.Option(help="Batch norms see the batch's statistics, not the pretrained ones.")
    ] = True,
    class_weights: Annotated[
        Literal["none", "balanced"], typer.Option(help="balanced: rare classes count more.")
    ] = "none",
    precision: Annotated[
        Literal["float32", "bfloat16"] | None,
        typer.Option(help="Of products [bfloat16 on a GPU, else float32]."),
    ] = None,
    accumulate: Annotated[
        int, typer.Option(help="Parts a batch is worked on in, for lack of memory.")
    ] = 1,
    average: Annotated[
        float, typer.Option(help="Decay of a moving average of the weights, such as 0.999; 0: none")
    ] = 0.0,
    drop_path: Annotated[
        float, typer.Option(help="Of a whole network: drop operations, at the end with this share.")
    ] = 0.0,
    score_every: Annotated[
        int | None, typer.Option(help="Steps between scores [20 scores a run].")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of first weights, crops and dropout.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    licence: Annotated[str, typer.Option(help="Of the data, for the model card.")] = "",
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Log to TensorBoard, too.")
    ] = False,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with the training in this folder.")
    ] = None,
) -> None:
    """Trains a network end to end into a model folder: a head with its backbone, or a whole one.

    The defaults are the papers' protocols. Under torchrun, several processes train together.
    """
    from atrous.data.augment import SCALES
    from atrous.data.canvas import parse_size
    from atrous.stages.train.ask import Ask
    from atrous.stages.train.job import read
    from atrous.stages.train.origin import Given, origin_of
    from atrous.training.config import STEPS

    if resume:
        _refuse_to_change(given(context, "resume"))
        _train(resume, read(resume))
        return
    if source is None:
        raise AtrousError("Expected what to train: atrous train RUN, or a name such as dpc:aspp.")
    folder = _folder(out)
    told = Given(data, select_on, backbone, weights, output_stride, filters)
    ask = Ask(
        origin_of(source, trial, told),
        decoder=decoder,
        steps=STEPS if steps is None else steps,
        batch=batch,
        crop=parse_size(crop) if crop else None,
        rate=rate,
        weight_decay=weight_decay,
        scales=_numbers(random_scales) or SCALES,
        flip=flip,
        tune_norm=tune_norm,
        balanced=class_weights == "balanced",
        precision=precision,
        accumulate=accumulate,
        average=average,
        drop_path=drop_path,
        score_every=score_every,
        seed=seed,
        device=device,
        licence=licence,
        tensorboard=tensorboard,
    )
    _begin(ask, folder)


def _refuse_to_change(changed: list[str]) -> None:
    if changed:
        raise AtrousError(
            f"With --resume, a training goes on as it began: {', '.join(changed)} cannot be "
            "changed. Begin another with --out."
        )


def _folder(out: Path | None) -> Path:
    """Where a new training goes; raises `AtrousError` if one is there already."""
    from atrous.stages.train.job import require_none
    from atrous.training.world import announced

    world = announced("cpu")
    if out is None and world.size > 1:
        raise AtrousError("Under torchrun, name the folder of the training with --out.")
    folder = out or TRAININGS / datetime.now().strftime("%Y-%m-%d-%H%M%S")
    if world.leads:
        require_none(folder)
    return folder


def _begin(ask: Ask, folder: Path) -> None:
    from atrous.stages.train import job
    from atrous.stages.train.ask import job_of
    from atrous.training.world import announced

    asked = job_of(ask)
    if announced("cpu").leads:
        job.create(folder, asked)
    _train(folder, asked)


def _train(folder: Path, found: Job) -> None:
    from atrous.stages.train import trainer
    from atrous.training.world import announced

    leads = announced("cpu").leads
    try:
        model = trainer.run(folder, found, tell_score)
    except KeyboardInterrupt:
        if leads:
            output.print(f"Stopped. Go on: atrous train --resume {folder}", soft_wrap=True)
        raise
    if not leads:
        return
    output.print(f"The model: {model}", soft_wrap=True)
    output.print(
        f"Next: atrous evaluate {model} {found.data}  |  atrous export {model} --to onnx",
        soft_wrap=True,
    )


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split(",") if number)
    except ValueError as error:
        raise AtrousError(
            f"--random-scales: expected numbers with commas between, such as 0.5,1,2; got {text!r}."
        ) from error
