"""An evaluation of a trained network as the record that evaluation.json keeps, and its words."""

from __future__ import annotations

import math
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from atrous.core.errors import AtrousError
from atrous.core.records import Count, Share, read_plain
from atrous.core.statistics import Array, Interval, bootstrap

SCORES = {
    "miou": "mIoU",
    "mean_accuracy": "mean accuracy",
    "pixel_accuracy": "pixel accuracy",
    "weighted_iou": "frequency-weighted IoU",
}
LOWEST, HIGHEST = 0.1, 4.0
"""The scales at which an image can be looked at."""
Scale = Annotated[float, Field(ge=LOWEST, le=HIGHEST)]
Shares = npt.NDArray[np.int64]
"""Pixels [3, K] of an image by class: those that label and prediction have in common, those of the
label, and those of the prediction. Intersection over union needs no more of it."""
NUMBERS = "<i8"
_SECTION = re.compile(r"^<!-- evaluation: (.*) -->\n", re.MULTILINE)


@dataclass(frozen=True, repr=False)
class Evaluation:
    """Scores and pixel counts of a model on a split of a data set.

    `data` names the data set, `images` is how many of its `split` were counted; class probabilities
    were averaged over `scales`, and over both directions if `flip`. Scores are shares in [0, 1];
    `class_iou` holds them by the classes' names, in their order, None for a class in neither label
    nor prediction. `confusion` are the pixel counts [K][K], label by prediction. `by_image` holds
    the `Shares` of each image, packed; '' where they are not known, as in older files.
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
    by_image: str = ""

    def __post_init__(self) -> None:
        """Raises `ValueError` for counts not K x K, numbers not finite, and images whose counts do
        not add up."""
        classes = len(self.class_iou)
        rows = [len(row) for row in self.confusion]
        if rows != classes * [classes] or any(n < 0 for row in self.confusion for n in row):
            raise ValueError(
                f"confusion is no {classes} x {classes} counts, for the classes of class_iou"
            )
        present = (iou for iou in self.class_iou.values() if iou is not None)
        if not all(map(math.isfinite, (*present, *self.scales, *self.scores))):
            raise ValueError("the scales and scores of an evaluation are not all finite numbers")
        if self.by_image and not np.array_equal(self.shares.sum(0), shares_of(self.counts)):
            raise ValueError("by_image does not add up to confusion")

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

    def __repr__(self) -> str:
        return f"Evaluation({self.title}, {self.images} images: mIoU {100 * self.miou:.1f} %)"

    @property
    def shares(self) -> Shares:
        """The `Shares` of all images [images, 3, K]; of none where they are not known."""
        count = self.images if self.by_image else 0
        return unpacked(self.by_image, (count, 3, len(self.class_iou)))

    @property
    def title(self) -> str:
        """The data, the split and the inference in words, the same for the same thing."""
        return f"{self.data}, {self.split}, {self.inference}"

    @property
    def inference(self) -> str:
        """How predictions were made; see `looked_at`."""
        return looked_at(self.scales, self.flip)


def shares_of(counts: npt.NDArray[np.int64]) -> Shares:
    """The `Shares` of pixel counts [K, K], label by prediction."""
    return np.stack([np.diag(counts), counts.sum(1), counts.sum(0)])


def packed(shares: Sequence[Shares]) -> str:
    """Spells the `Shares` of images as a text: most of the numbers are 0, and take no room."""
    if not shares:
        return ""
    numbers = np.ascontiguousarray(np.stack(shares), NUMBERS)
    return b64encode(zlib.compress(numbers.tobytes(), 9)).decode("ascii")


def unpacked(text: str, shape: tuple[int, int, int]) -> Shares:
    """Returns what `packed` spelt, [images, 3, K]; raises `ValueError` for anything else."""
    size = math.prod(shape) * np.dtype(NUMBERS).itemsize
    try:
        reader = zlib.decompressobj()
        found = reader.decompress(b64decode(text, validate=True), size + 1) if size else b""
    except (ValueError, zlib.error) as error:
        raise ValueError(f"by_image cannot be read: {error}") from error
    if len(found) != size:
        raise ValueError(f"by_image is no {' x '.join(map(str, shape))} counts")
    return np.frombuffer(found, NUMBERS).reshape(shape).astype(np.int64)


def margin(one: Evaluation, other: Evaluation) -> Interval | None:
    """The mIoU of one model less that of another, with its interval over images.

    Images are resampled in pairs, with their counts of both models. `None` unless both were
    evaluated on the same images, and the counts of each are known.
    """
    first, second = one.shares, other.shares
    if not len(first) or first.shape != second.shape:
        return None
    if one.title != other.title or not np.array_equal(first[:, 1], second[:, 1]):
        return None
    return bootstrap(lambda weights: _miou(weights, first) - _miou(weights, second), len(first))


def _miou(weights: Array, shares: Shares) -> Array:
    """The mIoU over images that are there so often, [rows, images] -> [rows]."""
    count, _, classes = shares.shape
    sums = (weights @ shares.reshape(count, -1)).reshape(len(weights), 3, classes)
    common, union = sums[:, 0], sums[:, 1] + sums[:, 2] - sums[:, 0]
    iou = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return np.asarray(iou.sum(1) / np.maximum(1, (union > 0).sum(1)))


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
