"""The record of one evaluation, as JSON keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from atrous.model.evaluation.scales import scale_words
from atrous.tasks.segmentation.metrics import Counts, Scores, summarise


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was counted, on what, and how.

    `data` names the data set, `images` is how many of its `split` were counted; class probabilities
    were averaged over `scales`, and over both directions if `flip`; `counts` are pixels [K, K],
    label by prediction, and class k is `classes[k]`.
    """

    data: str
    split: str
    images: int
    scales: tuple[float, ...]
    flip: bool
    classes: tuple[str, ...]
    counts: Counts

    @property
    def scores(self) -> Scores:
        """The scores of the counts, shares in [0, 1]."""
        return summarise(self.counts)

    @property
    def method(self) -> str:
        """How the network was asked, in words."""
        return f"{scale_words(self.scales)}{', with flips' if self.flip else ''}"

    def to_json(self) -> dict[str, Any]:
        """The record with its scores; `class_iou` maps names, in their order, to shares, null for
        a class in neither label nor prediction."""
        scores = asdict(self.scores)
        return {
            "data": self.data,
            "split": self.split,
            "images": self.images,
            "scales": list(self.scales),
            "flip": self.flip,
            **scores,
            "class_iou": dict(zip(self.classes, scores["class_iou"], strict=True)),
            "confusion": self.counts.tolist(),
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Evaluation:
        """The record from `to_json`; raises KeyError, TypeError, ValueError.

        Scores are computed from the counts; those that were written are not read.
        """
        classes = tuple(str(name) for name in fields["class_iou"])
        counts = np.array(fields["confusion"], dtype=np.int64)
        if counts.shape != (len(classes), len(classes)) or counts.min(initial=0) < 0:
            raise ValueError(f"the confusion matrix is no {len(classes)} x {len(classes)} counts")
        return cls(
            data=str(fields["data"]),
            split=str(fields["split"]),
            images=int(fields["images"]),
            scales=tuple(float(scale) for scale in fields["scales"]),
            flip=bool(fields["flip"]),
            classes=classes,
            counts=counts,
        )
