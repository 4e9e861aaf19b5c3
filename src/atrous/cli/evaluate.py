"""How good a trained model is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from atrous.cli.shared import Json
from atrous.core.console import output


def evaluate(
    model: Annotated[Path, typer.Argument(help="The folder of a model.")],
    data: Annotated[Path, typer.Argument(help="The folder of a data set with its classes.")],
    split: Annotated[str, typer.Option(help="train, val or test.")] = "val",
    scales: Annotated[
        str, typer.Option(help="Sizes at which each image is looked at, such as 0.75,1,1.25.")
    ] = "1",
    flip: Annotated[
        bool, typer.Option("--flip", help="Look at each image mirrored as well.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Where to write [a folder in MODEL/evaluations].")
    ] = None,
    pictures: Annotated[
        int, typer.Option(min=0, help="How many images to show, from the worst to the best.")
    ] = 8,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    as_json: Json = False,
) -> None:
    """Scores a model on labelled images; stopped, the same command goes on."""
    from atrous.core.records import to_json
    from atrous.model.evaluation.assessment import EvaluationRequest, count, prepare
    from atrous.model.evaluation.publication import publish
    from atrous.model.evaluation.record import parse_scales
    from atrous.model.evaluation.view import render

    assessment = prepare(
        EvaluationRequest(model, data, split, parse_scales(scales), flip, device, out, pictures)
    )
    try:
        evaluation = count(assessment)
    except KeyboardInterrupt:
        done, total = assessment.tally.done, len(assessment.samples)
        typer.echo(
            f"Stopped; {done} of {total} images are counted and kept in {assessment.out}. "
            "Go on: the same command again.",
            err=True,
        )
        raise
    files = publish(assessment)
    if as_json:
        print(json.dumps(to_json(evaluation), indent=2))
    else:
        output.print(render(evaluation))
        output.print("\n".join(f"wrote {path}" for path in files), soft_wrap=True)
