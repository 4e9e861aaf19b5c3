"""The record of an evaluation."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest

from atrous.core.errors import AtrousError
from atrous.core.records import RecordError, from_json, to_json
from atrous.model.evaluation.record import (
    Evaluation,
    margin,
    packed,
    require_scales,
    shares_of,
)
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
        "by_image": "",
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


def of_images(images: list[np.ndarray[tuple[int, int], np.dtype[np.int64]]]) -> Evaluation:
    """An evaluation of these pixel counts [K, K], an image each."""
    found = replace(evaluation(np.sum(images, 0)), images=len(images))
    return replace(found, by_image=packed([shares_of(counts) for counts in images]))


def drawn(right: float, seed: int) -> list[np.ndarray[tuple[int, int], np.dtype[np.int64]]]:
    """Counts of 40 images of the same labels, of which this share is right."""
    labels = np.random.default_rng(0).integers(50, 500, (40, 3))
    rng = np.random.default_rng(seed)
    images = []
    for row in labels:
        hits = rng.binomial(row, right)
        counts = np.diag(hits)
        counts[range(3), [1, 2, 0]] += row - hits
        images.append(counts)
    return images


def test_counts_of_images_are_kept_and_add_up() -> None:
    before = of_images(drawn(0.8, 1))
    again = from_json(Evaluation, json.loads(json.dumps(to_json(before))))
    assert again == before
    np.testing.assert_array_equal(again.shares, [shares_of(each) for each in drawn(0.8, 1)])
    other = packed([shares_of(each) for each in drawn(0.7, 2)])
    for wrong in (other, other[:-8], "no base64!", packed([shares_of(COUNTS)])):
        with pytest.raises(RecordError, match="by_image"):
            from_json(Evaluation, {**to_json(before), "by_image": wrong})


def test_a_margin_has_an_interval_over_images() -> None:
    """As far apart as they are drawn; two that were drawn alike are not told apart."""
    good, bad, alike = (of_images(drawn(*how)) for how in ((0.8, 1), (0.7, 2), (0.8, 3)))
    found = margin(good, bad)
    assert found is not None
    assert found.mean == pytest.approx(good.miou - bad.miou)
    assert 0 < found.low < found.mean < found.high < 0.3
    same = margin(good, alike)
    assert same is not None
    assert same.low < 0 < same.high
    assert margin(good, replace(bad, by_image="")) is None
    assert margin(good, replace(bad, split="test")) is None


def test_it_is_told_how_images_were_looked_at() -> None:
    assert evaluation().inference == "scale 1"
    assert evaluation(scales=(0.75, 1.0), flip=True).inference == "scales 0.75, 1 and mirrored"
    assert evaluation(flip=True).inference == "scale 1 and mirrored"


@pytest.mark.parametrize("scales", [(), (0.0,), (-1.0,), (1.0, nan), (inf,), (0.05,), (5.0,)])
def test_what_is_no_scale_is_refused(scales: tuple[float, ...]) -> None:
    with pytest.raises(AtrousError, match="--scales"):
        require_scales(scales)
