"""A trained model: how good it is, as one file for other programs, and how long it takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from atrous.cli.options import Json
from atrous.core.console import output, say

if TYPE_CHECKING:
    from atrous.model.evaluation.record import Evaluation
    from atrous.model.export.exported import ExportedFile
    from atrous.model.facts import Latency


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
        say("\n".join(f"wrote {path}" for path in files))


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


USE = {
    "onnx": (
        'onnxruntime.InferenceSession("{name}").run(None, {{"{input}": images}})[0]',
        "its classes and the rest: .get_modelmeta().custom_metadata_map",
    ),
    "pt2": (
        'torch.export.load("{name}").module()(images)',
        'its classes and the rest: extra_files={{"metadata.json": ""}} when loading',
    ),
}

UNIT = {
    "logits": " of the largest class score",
    "ids": " of the largest class score",
    "probabilities": "",
}


def evaluation_table(evaluation: Evaluation) -> RenderableType:
    """Tables each class with its IoU and share of the labelled pixels, and the scores."""
    counts = evaluation.counts
    head = f"{evaluation.data}, {evaluation.split}: {evaluation.images} images, {evaluation.method}"
    table = Table("class", title="IoU of each class, in percent", title_justify="left")
    table.add_column("IoU", justify="right")
    table.add_column("share of labelled pixels", justify="right")
    shares = counts.sum(1) / max(1, int(counts.sum()))
    for (name, iou), share in zip(evaluation.class_iou.items(), shares, strict=True):
        table.add_row(Text(name), "absent" if iou is None else f"{100 * iou:.2f}", f"{share:.2%}")
    table.add_section()
    table.add_row(Text("mIoU", "bold"), Text(f"{100 * evaluation.miou:.2f}", "bold"), "")
    return Group(
        Text(head),
        table,
        Text(
            f"mean accuracy {100 * evaluation.mean_accuracy:.2f}, "
            f"pixel accuracy {100 * evaluation.pixel_accuracy:.2f}, "
            f"frequency-weighted IoU {100 * evaluation.weighted_iou:.2f}"
        ),
    )


def export_lines(exported: ExportedFile) -> RenderableType:
    """Says what was written, its input and output, how it was compared and how it is used."""
    lines = [
        f"wrote {exported.path} ({exported.size / 1e6:.1f} MB)",
        f"input    {exported.metadata['input']}",
        f"output   {exported.metadata['output']}",
        *_compared(exported),
        *_use(exported),
    ]
    return Group(*map(Text, lines))


def _compared(exported: ExportedFile) -> list[str]:
    sizes = ", ".join(
        f"{each.batch} x {each.size[0]} x {each.size[1]}" for each in exported.comparisons
    )
    worst = max(each.difference for each in exported.comparisons)
    return [
        f"compared with the model on random pixels ({sizes}): differs by at most {worst:.1g}"
        f"{UNIT[exported.interface.output]}; up to {exported.tolerance:g} is accepted"
    ]


def _use(exported: ExportedFile) -> list[str]:
    from atrous.model.export.interface import INPUT

    name = exported.path.name
    first, *rest = (line.format(name=name, input=INPUT) for line in USE[exported.format])
    return [f"use it   {first}", *(f"         {line}" for line in rest)]


def latency_table(latencies: Sequence[Latency]) -> RenderableType:
    """Tables the milliseconds of each runtime: median, quartiles, fastest and slowest."""
    first = latencies[0]
    height, width = first.size
    head = (
        f"one pass, from {first.batch} x 3 x {height} x {width} normalised pixels to class "
        f"scores of each, {first.precision}, {first.threads} CPU thread"
        f"{'' if first.threads == 1 else 's'}\non {first.device}: {first.device_name}"
    )
    table = Table()
    table.add_column("runtime", no_wrap=True)
    for name in ("median ms", "quartiles ms", "range ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in latencies:
        table.add_row(
            f"{each.runtime} {each.version}",
            f"{each.median_ms:.2f}",
            "{:.2f} - {:.2f}".format(*each.quartiles_ms),
            "{:.2f} - {:.2f}".format(*each.range_ms),
        )
    warm = " and ".join(str(each.warm_up) for each in latencies)
    passes = f"{len(latencies[0].milliseconds)} passes, after {warm} to warm up"
    return Group(Text(head), table, Text(passes + (", in turns" if len(latencies) > 1 else "")))
