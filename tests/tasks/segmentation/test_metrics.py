"""Scores from counts, against scikit-learn's from labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    jaccard_score,
)

from atrous.tasks.segmentation import SEGMENTATION
from atrous.tasks.segmentation.evaluate import confusion, summarise, winners

IGNORE = 255


def draw(
    classes: int, seed: int, used: int | None = None
) -> tuple[torch.Tensor, torch.Tensor, np.ndarray, np.ndarray]:
    """Labels with ignored and undeclared ones, predictions, and both where labels are classes."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, used or classes, (37, 53)).astype(np.uint8)
    guess = rng.integers(0, used or classes, label.shape).astype(np.uint8)
    prediction = np.where(rng.random(label.shape) < 0.5, label, guess).astype(np.uint8)
    label[rng.random(label.shape) < 0.2] = IGNORE
    label[rng.random(label.shape) < 0.05] = 254
    if classes < 250:
        label[rng.random(label.shape) < 0.05] = classes
    counted = label < classes
    return (
        torch.from_numpy(label),
        torch.from_numpy(prediction),
        label[counted],
        prediction[counted],
    )


@pytest.mark.parametrize(("classes", "used"), [(2, 2), (3, 3), (11, 11), (11, 6), (200, 200)])
def test_scores_equal_those_of_scikit_learn(classes: int, used: int) -> None:
    label, prediction, truth, guess = draw(classes, seed=classes, used=used)
    counts = confusion(label, prediction, classes).numpy()
    expected = confusion_matrix(truth, guess, labels=range(classes))
    np.testing.assert_array_equal(counts, expected)
    scores = summarise(counts)
    seen = np.union1d(truth, guess)
    assert scores.miou == pytest.approx(jaccard_score(truth, guess, average="macro"), abs=1e-6)
    weighted = jaccard_score(truth, guess, average="weighted")
    assert scores.weighted_iou == pytest.approx(weighted, abs=1e-6)
    assert scores.pixel_accuracy == pytest.approx(accuracy_score(truth, guess), abs=1e-6)
    balanced = balanced_accuracy_score(truth, guess)
    assert scores.mean_accuracy == pytest.approx(balanced, abs=1e-6)
    each = jaccard_score(truth, guess, average=None, labels=seen)
    assert [scores.class_iou[k] for k in seen] == pytest.approx(list(each), abs=1e-6)
    absent = set(range(classes)) - set(seen.tolist())
    assert all(scores.class_iou[k] is None for k in absent)


def test_a_class_that_is_only_predicted_counts_in_the_mean_iou_alone() -> None:
    label, prediction = torch.zeros(4, dtype=torch.uint8), torch.tensor([0, 0, 0, 1]).byte()
    scores = summarise(confusion(label, prediction, 3).numpy())
    assert scores.class_iou == (0.75, 0.0, None)
    assert scores.miou == 0.375
    assert scores.mean_accuracy == 0.75
    assert scores.weighted_iou == 0.75


def test_the_published_reward_is_the_cube_root_of_three_scores() -> None:
    """Nekrasov et al. 2019, section 3.4; in its released form a class that is only predicted has an
    accuracy of 2, here it has none."""
    scores = {"miou": 0.30, "mean_accuracy": 0.40, "weighted_iou": 0.70}
    assert SEGMENTATION.objectives["blend"](scores) == pytest.approx(0.43795, abs=5e-6)


def test_nothing_to_count_gives_zeros() -> None:
    label = torch.full((4,), IGNORE, dtype=torch.uint8)
    scores = summarise(confusion(label, torch.zeros_like(label), 2).numpy())
    assert scores.class_iou == (None, None)
    assert (scores.miou, scores.mean_accuracy, scores.pixel_accuracy) == (0, 0, 0)


def test_the_largest_label_does_not_spill_over() -> None:
    label = torch.full((5,), 255, dtype=torch.uint8)
    for classes in (1, 2, 255):
        prediction = torch.full((5,), classes - 1, dtype=torch.uint8)
        assert int(confusion(label, prediction, classes).sum()) == 0


def test_winners_are_the_largest_logits() -> None:
    logits = torch.randn(21, 9, 13, generator=torch.Generator().manual_seed(0))
    found = winners(logits)
    assert found.dtype == torch.uint8
    assert torch.equal(found.long(), logits.argmax(0))
