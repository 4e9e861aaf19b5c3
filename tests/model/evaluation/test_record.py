"""The record of an evaluation."""

from __future__ import annotations

import json
from math import inf, nan

import numpy as np
import pytest

from atrous.core.errors import AtrousError
from atrous.core.records import RecordError, from_json, to_json
from atrous.model.evaluation.record import Evaluation, require_scales
from atrous.tasks.segmentation.evaluate import summarise
from tests.model.evaluation.material import COUNTS, evaluation


def test_it_holds_all_that_is_published() -> None:
    found = json.loads(json.dumps(to_json(evaluation(scales=(0.5, 1.0), flip=True))))
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
    again = from_json(Evaluation, json.loads(json.dumps(to_json(before))))
    assert again == before
    assert again.classes == before.classes
    assert again.counts.dtype == np.int64
    np.testing.assert_array_equal(again.counts, COUNTS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"confusion": [[1, 2], [3, 4]]}, "no 3 x 3 counts"),
        ({"confusion": [[-1] * 3] * 3}, r"confusion\[0\]\[0\]: .* got -1"),
        ({"confusion": [[0.5] * 3] * 3}, "confusion"),
        ({"class_iou": 3}, "class_iou"),
        ({"class_iou": {"road": 0.1, "car": 0.2}}, "no 2 x 2 counts"),
        ({"class_iou": {"road": 0.1, "car": 0.2, "train": "x"}}, "class_iou.train"),
        ({"miou": "good"}, "miou"),
        ({"weighted_iou": float("nan")}, "weighted_iou: .* got nan"),
        ({"scales": [float("inf")]}, r"scales\[0\]: .* got inf"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_is_no_record_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        from_json(Evaluation, {**to_json(evaluation()), **change})


def test_it_is_told_how_images_were_looked_at() -> None:
    assert evaluation().inference == "scale 1"
    assert evaluation(scales=(0.75, 1.0), flip=True).inference == "scales 0.75, 1 and mirrored"
    assert evaluation(flip=True).inference == "scale 1 and mirrored"


@pytest.mark.parametrize("scales", [(), (0.0,), (-1.0,), (1.0, nan), (inf,), (0.05,), (5.0,)])
def test_what_is_no_scale_is_refused(scales: tuple[float, ...]) -> None:
    with pytest.raises(AtrousError, match="--scales"):
        require_scales(scales)
