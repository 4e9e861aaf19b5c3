"""An evaluation written down: for people, for programs, and into the model's own folder.

evaluation.md, evaluation.json     the scores
confusion.csv                      pixels, label by prediction
pictures-N.png                     images from the worst to the best
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atrous.core.architecture import Cost
from atrous.core.console import track
from atrous.core.errors import AtrousError
from atrous.core.files import write_whole
from atrous.core.records import to_json
from atrous.data.dataset import read_image, read_labels
from atrous.data.pixels import size_of
from atrous.model.evaluation.assessment import Assessment
from atrous.model.evaluation.record import SCORES, Evaluation
from atrous.model.evaluation.sheets import EvaluatedImage, Key, spread, write_sheet
from atrous.model.folder import add_evaluation
from atrous.spaces.blueprint import network_cost
from atrous.tasks.segmentation.probabilities import evaluating

ROWS = 8
"""Images on a sheet."""


def publish(assessment: Assessment) -> list[Path]:
    """Writes what was counted, adds it to the model, and returns the files, pictures last.

    Raises AtrousError if something cannot be written.
    """
    out, evaluation = assessment.out, assessment.evaluation
    text = document(assessment)
    sheets = _sheets(assessment)
    links = "".join(f"\n![Images from the worst to the best]({path.name})\n" for path in sheets)
    contents = {
        "evaluation.md": f"# {assessment.request.model.resolve().name}\n\n{text}{links}",
        "evaluation.json": json.dumps(to_json(evaluation), indent=2) + "\n",
        "confusion.csv": confusion_csv(evaluation),
    }
    for name, content in contents.items():
        _write(out / name, content)
    add_evaluation(assessment.request.model, evaluation, text)
    for path, chosen in sheets.items():
        _draw(path, assessment, chosen)
    assessment.tally.discard()
    return [*(out / name for name in contents), *sheets]


def document(assessment: Assessment) -> str:
    """Writes the evaluation as Markdown: scores, cost, each class, and the confusion matrix."""
    evaluation = assessment.evaluation
    model = assessment.model
    name = str(model.training_record.get("name") or model.blueprint.architecture)
    height, width = size_of(assessment.samples[0].image)
    cost = network_cost(model.blueprint, (height, width))
    return "\n".join(
        (
            f"## {evaluation.data}, {evaluation.split}\n",
            f"{evaluation.images} images, {evaluation.method}. Scores are in percent; `-` stands "
            "for a class in neither label nor prediction, which counts in no mean.\n",
            score_table({name: evaluation}),
            f"The whole network, for an image of {height} x {width} pixels:\n",
            comparison_table([ComparedNetwork(name, cost, evaluation.miou)]),
            "IoU of each class:\n",
            class_table({name: evaluation}),
            "What was taken for what, in percent of the label's pixels:\n",
            confusion_table(evaluation),
        )
    )


def _sheets(assessment: Assessment) -> dict[Path, list[int]]:
    """Chooses the images of each sheet, by their places among the samples."""
    chosen = spread(assessment.tally.scores, assessment.request.pictures)
    parts = [chosen[first : first + ROWS] for first in range(0, len(chosen), ROWS)]
    return {assessment.out / f"pictures-{n}.png": part for n, part in enumerate(parts, 1)}


def _draw(path: Path, assessment: Assessment, chosen: Sequence[int]) -> None:
    key = Key(assessment.dataset.classes, assessment.model.blueprint.colours)
    pictures = track(_pictures(assessment, chosen), f"drawing {path.name}", len(chosen))
    network = assessment.examination.network.to(assessment.examination.device)
    with evaluating(network):
        write_sheet(path, pictures, key)


def _pictures(assessment: Assessment, chosen: Sequence[int]) -> Iterator[EvaluatedImage]:
    """Predicts the chosen samples again: no prediction is kept while counting."""
    examination = assessment.examination
    for place in chosen:
        sample, score = assessment.samples[place], assessment.tally.scores[place]
        image = read_image(sample.image)
        (prediction,) = examination.predict(examination.transform(image)[None])
        caption = f"{sample.name}   mIoU {100 * (score or 0):.1f}"
        yield EvaluatedImage(caption, image, read_labels(sample), np.asarray(prediction.cpu()))


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, text)
    except OSError as error:
        raise AtrousError(
            f"Expected to write {path}, but {error}. Make room, or name another folder with --out."
        ) from error


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
