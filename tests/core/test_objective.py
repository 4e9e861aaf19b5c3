"""Objectives: from measured values to the number that is maximised."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args, get_type_hints

import pytest

from atrous.core.config import TrainingConfig
from atrous.core.errors import AtrousError
from atrous.core.objective import (
    END_TO_END,
    OBJECTIVES,
    ON_FEATURES,
    end_to_end,
    find_objective,
    objectives_of,
)
from tests.records import metrics

VALUES = {"miou": 0.5, "mean_accuracy": 0.25, "weighted_iou": 0.125, "cross_entropy": 1.5}


def test_each_is_larger_for_better() -> None:
    found = {name: objective(VALUES) for name, objective in OBJECTIVES.items()}
    blend = pytest.approx((0.5 * 0.25 * 0.125) ** (1 / 3))
    assert found == {"miou": 0.5, "cross-entropy": -1.5, "blend": blend}
    assert OBJECTIVES["blend"]({**VALUES, "miou": 0.0}) == 0


def test_objectives_are_those_whose_values_are_measured() -> None:
    """Networks trained on images are scored by their winning classes, which have no entropy."""
    counted = replace(metrics(0.3), cross_entropy=None)
    assert {*END_TO_END} == {*counted.values}
    assert {*ON_FEATURES} == {*metrics(0.3).values}
    assert objectives_of(ON_FEATURES) == ("miou", "blend", "cross-entropy")
    assert objectives_of(END_TO_END) == ("miou", "blend")


def test_training_goes_by_the_score_of_the_search_where_it_can() -> None:
    found = {name: end_to_end(name) for name in OBJECTIVES}
    assert found == {"miou": "miou", "blend": "blend", "cross-entropy": "miou"}
    assert {*found.values()} == {*get_args(get_type_hints(TrainingConfig)["score"])}


def test_each_reads_what_estimators_measure() -> None:
    assert all(isinstance(each(metrics(0.3).values), float) for each in OBJECTIVES.values())


def test_another_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(AtrousError, match="--score is one of miou, blend, cross-entropy, got 'x'"):
        find_objective("x")
