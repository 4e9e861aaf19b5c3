"""The record of an evaluation."""

from __future__ import annotations

import json

import numpy as np
import pytest

from atrous.model.evaluation.record import Evaluation
from atrous.tasks.segmentation.metrics import summarise
from tests.model.evaluation.evaluations import COUNTS, evaluation


def test_it_holds_all_that_is_published() -> None:
    found = json.loads(json.dumps(evaluation(scales=(0.5, 1.0), flip=True).to_json()))
    scores = summarise(COUNTS)
    assert found == {
        "data": "streets",
        "split": "val",
        "images": 7,
        "scales": [0.5, 1.0],
        "flip": True,
        "miou": scores.miou,
        "mean_accuracy": scores.mean_accuracy,
        "pixel_accuracy": scores.pixel_accuracy,
        "weighted_iou": scores.weighted_iou,
        "class_iou": {"road": 0.8, "car": 0.5, "train": None},
        "confusion": [[8, 2, 0], [0, 2, 0], [0, 0, 0]],
    }


def test_it_is_read_back() -> None:
    before = evaluation(scales=(0.5, 1.0), flip=True)
    again = Evaluation.from_json(json.loads(json.dumps(before.to_json())))
    assert again.to_json() == before.to_json()
    assert again.classes == before.classes
    assert again.counts.dtype == np.int64


@pytest.mark.parametrize(
    "change", [{"confusion": [[1, 2], [3, 4]]}, {"confusion": [[-1] * 3] * 3}, {"class_iou": 3}]
)
def test_what_is_no_record_is_refused(change: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        Evaluation.from_json({**evaluation().to_json(), **change})


def test_the_method_is_told_in_words() -> None:
    assert evaluation().method == "single scale"
    assert evaluation(scales=(0.75, 1.0), flip=True).method == "scales 0.75, 1, with flips"
    assert evaluation(flip=True).method == "single scale, with flips"
