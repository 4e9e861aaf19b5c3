"""A trained model: how good it is, as one file for other programs, and how long it takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from atrous.cli.model_tables import evaluation_table, export_lines, latency_table
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
        output.print(evaluation_table(evaluation))
        output.print("\n".join(f"wrote {path}" for path in files), soft_wrap=True)


ModelPath = Annotated[Path, typer.Argument(metavar="MODEL", help="The folder of a model.")]


def export(
    model: ModelPath,
    to: Annotated[
        Literal["onnx", "pt2"],
        typer.Option(help="onnx for onnxruntime and others, pt2 for torch alone."),
    ],
    out: Annotated[Path | None, typer.Option(help="The file [MODEL/model.onnx or .pt2].")] = None,
    normalise: Annotated[
        Literal["in", "out"],
        typer.Option(help="in: the file takes uint8 RGB; out: float32 that you have normalised."),
    ] = "in",
    give: Annotated[
        Literal["logits", "probabilities", "ids"],
        typer.Option("--output", help="What the file gives for each pixel; ids are classes."),
    ] = "logits",
    opset: Annotated[int | None, typer.Option(help="Of ONNX, from 18 [torch's choice].")] = None,
    as_json: Json = False,
) -> None:
    """Writes a model to one file that runs without this program, for images of any size.

    The file is run and compared with the model before it counts as written.
    """
    from atrous.core.records import to_json
    from atrous.model.export.exported import check_model, check_request, export_model
    from atrous.model.model import load_model

    check_model(model)
    path = out or model / f"model.{to}"
    check_request(path, to, opset)
    exported = export_model(load_model(model), path, to, normalise, give, opset)
    if as_json:
        print(json.dumps(to_json(exported), indent=2))
    else:
        output.print(export_lines(exported), soft_wrap=True)


def latency(
    model: ModelPath,
    size: Annotated[str, typer.Option(help="HxW of the images, in pixels.")],
    batch: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    runtime: Annotated[
        str, typer.Option(help="pytorch, onnxruntime, or both with a comma between.")
    ] = "pytorch",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of the CPU, for one image [torch's choice].")
    ] = None,
    precision: Annotated[
        Literal["float32", "bfloat16"], typer.Option(help="Of the products; bfloat16: pytorch.")
    ] = "float32",
    repeats: Annotated[int, typer.Option(min=1, help="Timed passes, after warming up.")] = 30,
    as_json: Json = False,
) -> None:
    """Measures how long a model takes, from normalised images to class scores."""
    from atrous.core.records import to_json
    from atrous.data.canvas import parse_size
    from atrous.model.export.exported import check_model
    from atrous.model.latency.conditions import make_conditions, parse_runtimes
    from atrous.model.latency.measure import compare_latency
    from atrous.model.model import load_model

    check_model(model)
    conditions = make_conditions(parse_size(size), batch, device, threads, precision)
    runtimes = parse_runtimes(runtime, conditions)
    found = compare_latency(load_model(model).network, conditions, runtimes, repeats)
    if as_json:
        print(json.dumps(to_json(found), indent=2))
    else:
        output.print(latency_table(found))
