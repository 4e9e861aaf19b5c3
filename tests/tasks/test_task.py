"""Objectives: from measured values to the number that is maximised."""

from __future__ import annotations

import pytest

from atrous.core.errors import AtrousError
from atrous.core.trial import values_of
from atrous.tasks import find_task
from atrous.tasks.segmentation import SEGMENTATION
from tests.records import metrics

VALUES = {"miou": 0.5, "mean_accuracy": 0.25, "weighted_iou": 0.125, "cross_entropy": 1.5}


def test_each_is_larger_for_better() -> None:
    found = {name: objective(VALUES) for name, objective in SEGMENTATION.objectives.items()}
    blend = pytest.approx((0.5 * 0.25 * 0.125) ** (1 / 3))
    assert found == {"miou": 0.5, "cross-entropy": -1.5, "blend": blend}
    assert SEGMENTATION.objectives["blend"]({**VALUES, "miou": 0.0}) == 0


def test_scores_are_those_whose_values_are_measured() -> None:
    """Networks trained on images are scored by their winning classes, which have no entropy."""
    assert SEGMENTATION.scores(whole=False) == ("miou", "blend", "cross-entropy")
    assert SEGMENTATION.scores(whole=True) == ("miou", "blend")


def test_training_goes_by_the_score_of_the_search_where_it_can() -> None:
    found = {name: SEGMENTATION.end_to_end(name) for name in SEGMENTATION.objectives}
    assert found == {"miou": "miou", "blend": "blend", "cross-entropy": "miou"}


def test_no_name_is_that_of_the_main_value() -> None:
    assert SEGMENTATION.objective("")(values_of(metrics(0.3))) == 0.3


def test_another_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(AtrousError, match="--score is one of miou, blend, cross-entropy, got 'x'"):
        SEGMENTATION.objective("x")
    with pytest.raises(AtrousError, match="--score is one of miou, blend, got 'cross-entropy'"):
        SEGMENTATION.objective("cross-entropy", whole=True)
    with pytest.raises(AtrousError, match="--task is one of segmentation, got 'depth'"):
        find_task("depth")
