"""A model's scores, exported file and latency for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from atrous.model.evaluation.record import Evaluation
    from atrous.model.export.exported import ExportedFile
    from atrous.model.latency.record import Latency

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
