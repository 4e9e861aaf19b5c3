"""An evaluation of a trained network as the record that evaluation.json keeps, and its words."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from atrous.core.errors import AtrousError
from atrous.core.records import Count, Share, read_plain

SCORES = {
    "miou": "mIoU",
    "mean_accuracy": "mean accuracy",
    "pixel_accuracy": "pixel accuracy",
    "weighted_iou": "frequency-weighted IoU",
}
LOWEST, HIGHEST = 0.1, 4.0
"""The scales at which an image can be looked at."""
Scale = Annotated[float, Field(ge=LOWEST, le=HIGHEST)]
_SECTION = re.compile(r"^<!-- evaluation: (.*) -->\n", re.MULTILINE)


@dataclass(frozen=True)
class Evaluation:
    """Scores and pixel counts of a model on a split of a data set.

    `data` names the data set, `images` is how many of its `split` were counted; class probabilities
    were averaged over `scales`, and over both directions if `flip`. Scores are shares in [0, 1];
    `class_iou` holds them by the classes' names, in their order, None for a class in neither label
    nor prediction. `confusion` are the pixel counts [K][K], label by prediction.
    """

    data: str
    split: str
    images: Count
    scales: tuple[Scale, ...]
    flip: bool
    miou: Share
    mean_accuracy: Share
    pixel_accuracy: Share
    weighted_iou: Share
    class_iou: dict[str, Share | None]
    confusion: tuple[tuple[Count, ...], ...]

    def __post_init__(self) -> None:
        """Raises `ValueError` for counts not K x K, and numbers not finite."""
        classes = len(self.class_iou)
        rows = [len(row) for row in self.confusion]
        if rows != classes * [classes] or any(n < 0 for row in self.confusion for n in row):
            raise ValueError(
                f"confusion is no {classes} x {classes} counts, for the classes of class_iou"
            )
        present = (iou for iou in self.class_iou.values() if iou is not None)
        if not all(map(math.isfinite, (*present, *self.scales, *self.scores))):
            raise ValueError("the scales and scores of an evaluation are not all finite numbers")

    @property
    def scores(self) -> tuple[float, ...]:
        """The scores in the order of `SCORES`."""
        return tuple(getattr(self, name) for name in SCORES)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, by their numbers."""
        return tuple(self.class_iou)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """The confusion matrix as an array."""
        return np.array(self.confusion, dtype=np.int64)

    @property
    def title(self) -> str:
        """The data, the split and the inference in words, the same for the same thing."""
        return f"{self.data}, {self.split}, {self.inference}"

    @property
    def inference(self) -> str:
        """How predictions were made; see `looked_at`."""
        return looked_at(self.scales, self.flip)


def read_evaluations(path: Path, classes: int, mend: str) -> tuple[Evaluation, ...]:
    """Reads evaluations of a network of so many classes, none if there is no such file; raises
    `AtrousError` for a damaged one, with `mend`."""
    if not path.is_file():
        return ()
    found = read_plain(path, tuple[Evaluation, ...], "the evaluations of a model", "", mend)
    for evaluation in found:
        require_classes(evaluation, classes, f"in {path}", mend)
    return found


def require_classes(evaluation: Evaluation, classes: int, where: str, mend: str) -> None:
    """Raises `AtrousError` unless the evaluation is of so many classes; `where` names its place."""
    if len(evaluation.classes) != classes:
        raise AtrousError(
            f"Expected an evaluation of {classes} classes {where}, but {evaluation.title} is of "
            f"{len(evaluation.classes)} classes. {mend}"
        )


def merged(evaluations: Sequence[Evaluation], new: Evaluation) -> tuple[Evaluation, ...]:
    """Returns all evaluations, where `new` takes the place of one of the same thing."""
    by_title = {known.title: known for known in evaluations}
    return tuple({**by_title, new.title: new}.values())


def merged_page(page: str, new: Evaluation, markdown: str) -> str:
    """Returns evaluation.md with `markdown` as the section of `new`; the others stay."""
    begin, *parts = _SECTION.split(page)
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    # A title on one line, with nothing in it that would end the comment it stands in.
    key = re.sub(r"\s+", " ", new.title).replace("--", "- -")
    sections[key] = f"\n{markdown.strip()}\n\n"
    return begin + "".join(f"<!-- evaluation: {key} -->\n{text}" for key, text in sections.items())


def require_scales(scales: Sequence[float]) -> None:
    """Raises AtrousError for no scales, and for scales that no image is looked at."""
    sound = (math.isfinite(scale) and LOWEST <= scale <= HIGHEST for scale in scales)
    if not scales or not all(sound):
        raise AtrousError(
            f"--scales: expected numbers from {LOWEST:g} to {HIGHEST:g}, such as 0.75,1,1.25; got "
            f"{', '.join(f'{scale:g}' for scale in scales) or 'none'}."
        )


def looked_at(scales: Sequence[float], flip: bool) -> str:
    """How images are looked at: `scale 1`, `scales 0.5, 1, 1.5 and mirrored`."""
    listed = ", ".join(f"{scale:g}" for scale in scales)
    words = f"scales {listed}" if len(scales) > 1 else f"scale {listed}"
    return f"{words} and mirrored" if flip else words
