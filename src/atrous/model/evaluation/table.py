"""Evaluations as Markdown and CSV, laid out like the tables of Chen et al. 2018."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from atrous.core.cost import Cost
from atrous.model.evaluation.record import SCORES, Evaluation

WIDE = 25
"""With more classes than this, they are the rows of a table instead of its columns."""

MOST_CONFUSED = 10


@dataclass(frozen=True)
class ComparedNetwork:
    """A row of a comparison: parameters and multiply-adds of the network, mIoU in [0, 1]."""

    method: str
    cost: Cost
    miou: float


def class_table(evaluations: Mapping[str, Evaluation]) -> str:
    """IoU of each class and their mean, in percent; one row for each method (tables 2 and 3).

    The evaluations are of the same classes. Raises ValueError if they are not.
    """
    classes = _common_classes(evaluations)
    columns = [*classes, "mIoU"]
    rows = [
        [*map(_iou, one.class_iou.values()), _percent(one.miou)] for one in evaluations.values()
    ]
    if len(classes) <= WIDE:
        named = [[method, *row] for method, row in zip(evaluations, rows, strict=True)]
        return markdown(["method", *columns], named)
    turned = [[name, *cells] for name, *cells in zip(columns, *rows, strict=True)]
    return markdown(["class", *evaluations], turned)


def comparison_table(rows: Iterable[ComparedNetwork]) -> str:
    """Method, parameters, multiply-adds and mIoU in percent (table 1)."""
    cells = []
    for row in rows:
        costs = quantity(row.cost.parameters), quantity(row.cost.multiply_adds)
        cells.append([row.method, *costs, _percent(row.miou)])
    return markdown(["method", "parameters", "multiply-adds", "mIoU"], cells)


def score_table(evaluations: Mapping[str, Evaluation]) -> str:
    """mIoU, mean accuracy, pixel accuracy and frequency-weighted IoU of each method, in percent."""
    rows = []
    for method, evaluation in evaluations.items():
        rows.append([method, *map(_percent, evaluation.scores)])
    return markdown(["method", *SCORES.values()], rows)


def confusion_table(evaluation: Evaluation) -> str:
    """Tables the confusion matrix: for each class, the percent of its pixels called each class.

    With more than `WIDE` classes, the ten most frequent confusions instead.
    """
    if len(evaluation.classes) > WIDE:
        return confused_table(evaluation, MOST_CONFUSED)
    rows = []
    for name, row in zip(evaluation.classes, evaluation.counts, strict=True):
        total = int(row.sum())
        rows.append([name, *(_share(int(count), total) for count in row), f"{total:,}"])
    return markdown(["label \\ prediction", *evaluation.classes, "pixels"], rows)


def confused_table(evaluation: Evaluation, most: int) -> str:
    """Tables the `most` frequent confusions of one class with another, by pixels."""
    counts = evaluation.counts
    np.fill_diagonal(counts, 0)
    rows = []
    for place in np.argsort(-counts, axis=None, kind="stable")[:most]:
        label, guess = divmod(int(place), len(evaluation.classes))
        pixels, total = int(counts[label, guess]), int(evaluation.counts[label].sum())
        if pixels:
            names = [evaluation.classes[label], evaluation.classes[guess]]
            rows.append([*names, f"{pixels:,}", _share(pixels, total)])
    return markdown(["label", "prediction", "pixels", "% of the label's"], rows)


def confusion_csv(evaluation: Evaluation) -> str:
    """Writes the confusion matrix in pixels, with names in the first row and column.

    Rows are labels, columns predictions; names are quoted where CSV asks for it.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["label \\ prediction", *evaluation.classes])
    for name, row in zip(evaluation.classes, evaluation.counts.tolist(), strict=True):
        writer.writerow([name, *row])
    return text.getvalue()


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table whose first column is words and whose others are numbers."""
    rule = ["---", *["---:"] * (len(columns) - 1)]
    lines = [[_escaped(cell) for cell in columns], rule]
    lines += [[_escaped(cell) for cell in row] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def quantity(count: int) -> str:
    """Says a count in billions or millions, such as 3.00B or 0.36M, as table 1 writes them."""
    if count >= 1_000_000_000:
        return f"{count / 1e9:.2f}B"
    return f"{count / 1e6:.2f}M" if count >= 100_000 else f"{count:,}"


def _common_classes(evaluations: Mapping[str, Evaluation]) -> tuple[str, ...]:
    found = {evaluation.classes for evaluation in evaluations.values()}
    if len(found) != 1:
        raise ValueError(
            f"expected evaluations of the same classes, got {len(found)} lists of them"
        )
    return found.pop()


def _iou(share: float | None) -> str:
    return "-" if share is None else _percent(share)


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f}" if total else "-"


def _escaped(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|")
