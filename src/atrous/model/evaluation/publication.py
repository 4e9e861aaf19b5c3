"""An evaluation written down: for people, for programs, and into the model's own folder.

evaluation.md, evaluation.json     the scores
confusion.csv                      pixels, label by prediction
pictures-N.png                     images from the worst to the best
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from atrous.core.console import track
from atrous.core.errors import AtrousError
from atrous.core.files import write_whole
from atrous.core.records import to_json
from atrous.data.dataset import Sample, read_image, read_labels
from atrous.model.evaluation.assessment import Assessment
from atrous.model.evaluation.sheets import EvaluatedImage, Key, spread, write_sheet
from atrous.model.evaluation.table import (
    ComparedNetwork,
    class_table,
    comparison_table,
    confusion_csv,
    confusion_table,
    score_table,
)
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
    height, width = _size(assessment.samples[0])
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


def _size(sample: Sample) -> tuple[int, int]:
    with Image.open(sample.image) as image:
        return image.height, image.width


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, text)
    except OSError as error:
        raise AtrousError(
            f"Expected to write {path}, but {error}. Make room, or name another folder with --out."
        ) from error
