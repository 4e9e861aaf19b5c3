"""An evaluation written down: for people, for programs, and into the model's own folder.

evaluation.md, evaluation.json     the scores
confusion.csv                      pixels, label by prediction
pictures-N.png                     images from the worst to the best
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from atrous.core.console import track
from atrous.core.files import write_whole, writing
from atrous.core.records import spelt
from atrous.core.words import count
from atrous.data.dataset import read_image, read_labels
from atrous.data.pixels import size_of
from atrous.model.card import markdown
from atrous.model.evaluation.assessment import Assessment
from atrous.model.evaluation.record import SCORES, Evaluation
from atrous.model.evaluation.sheets import EvaluatedImage, Key, ranked_evenly, write_sheet
from atrous.model.folder import add_evaluation
from atrous.spaces.blueprint import network_cost
from atrous.tasks.segmentation.probabilities import evaluating

FILES = ("evaluation.md", "evaluation.json", "confusion.csv")
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
    page, record, table = (out / name for name in FILES)
    with writing(f"the evaluation to {out}"):
        write_whole(page, f"# {assessment.request.model.resolve().name}\n\n{text}{links}")
        write_whole(record, spelt(evaluation))
        write_whole(table, confusion_csv(evaluation))
    add_evaluation(assessment.request.model, evaluation, text)
    for path, chosen in sheets.items():
        _draw(path, assessment, chosen)
    assessment.tally.discard()
    return [page, record, table, *sheets]


def document(assessment: Assessment) -> str:
    """Writes the evaluation as Markdown: scores, cost, each class, and the confusion matrix."""
    evaluation = assessment.evaluation
    model = assessment.model
    name = str(model.training_record.get("name") or model.blueprint.architecture)
    height, width = size_of(assessment.samples[0].image)
    cost = network_cost(model.blueprint, (height, width))
    costs = (count(cost.parameters), count(cost.multiply_adds))
    return "\n".join(
        (
            f"## {evaluation.data}, {evaluation.split}\n",
            f"{evaluation.images} images, {evaluation.inference}. Scores are in percent; `-` "
            "stands for a class in neither label nor prediction, which counts in no mean.\n",
            markdown(SCORES.values(), [map(_percent, evaluation.scores)]),
            f"The whole network, for an image of {height} x {width} pixels:\n",
            markdown(["architecture", "parameters", "multiply-adds"], [[name, *costs]]),
            "IoU of each class:\n",
            class_table(evaluation),
            "What was taken for what, in percent of the label's pixels:\n",
            confusion_table(evaluation),
        )
    )


def _sheets(assessment: Assessment) -> dict[Path, list[int]]:
    """Chooses the images of each sheet, by their places among the samples."""
    chosen = ranked_evenly(assessment.tally.scores, assessment.request.pictures)
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


WIDE = 25
"""With more classes than this, they are the rows of a table instead of its columns."""

MOST_CONFUSED = 10


def class_table(evaluation: Evaluation) -> str:
    """IoU of each class and their mean, in percent: in columns, or in rows if they are many."""
    shares = (*evaluation.class_iou.values(), evaluation.miou)
    cells = [("-" if share is None else _percent(share)) for share in shares]
    names = [*evaluation.classes, "mIoU"]
    if len(evaluation.classes) <= WIDE:
        return markdown(names, [cells])
    return markdown(["class", "IoU"], zip(names, cells, strict=True))


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


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f}" if total else "-"
