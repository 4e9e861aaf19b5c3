"""An evaluation for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from atrous.model.evaluation.record import Evaluation


def render(evaluation: Evaluation) -> RenderableType:
    """IoU of each class with its share of the labelled pixels, and the scores, in percent."""
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
