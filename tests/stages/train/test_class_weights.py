"""Weights that let rare classes count for more."""

from __future__ import annotations

from math import log
from pathlib import Path

import pytest
import torch

from atrous.data.dataset import Sample
from atrous.stages.train.config import balanced_weights
from atrous.tasks.segmentation.probabilities import summed_loss
from tests.data.folder import labels
from tests.training.material import never


def test_weights_follow_the_shares_of_labelled_pixels(tmp_path: Path) -> None:
    """ENet's rule, by hand: a quarter, three quarters, none; ignored pixels count nowhere."""
    paths = [tmp_path / "0.png", tmp_path / "1.png"]
    labels(0, 1, 255, 255, height=8).save(paths[0])
    labels(1, 1, 255, 255, height=8).save(paths[1])
    samples = tuple(Sample(path.stem, path, path) for path in paths)
    raw = [1 / log(1.02 + share) for share in (0.25, 0.75, 0.0)]
    mean = 0.25 * raw[0] + 0.75 * raw[1]
    assert balanced_weights(samples, 3, never) == pytest.approx([weight / mean for weight in raw])


def test_loss_and_gradients_stay_as_large_as_without_weights(tmp_path: Path) -> None:
    """Where a class has most of the pixels, as roads have: with a mean of 1 over the classes, a
    third of the loss would be left."""
    path = tmp_path / "0.png"
    labels(0, 0, 0, 0, 0, 0, 0, 1, height=8).save(path)
    weights = torch.tensor(balanced_weights((Sample("0", path, path),), 4, never))
    targets = torch.tensor([0, 0, 0, 0, 0, 0, 0, 1]).view(1, 1, 8)
    sizes = []
    for each in (None, weights):
        scores = torch.zeros(1, 4, 1, 8, requires_grad=True)
        loss = summed_loss(scores, targets, each)
        loss.backward()  # type: ignore[no-untyped-call]
        assert scores.grad is not None
        sizes.append((float(loss.detach()), float(scores.grad.abs().sum())))
    assert sizes[1] == pytest.approx(sizes[0], rel=1e-5)
    assert float(weights[0]) > 0.4
    assert float(summed_loss(scores.detach(), targets, weights / weights.mean())) < sizes[0][0] / 3


def test_a_data_set_without_labels_weighs_all_alike(tmp_path: Path) -> None:
    path = tmp_path / "0.png"
    labels(255).save(path)
    assert balanced_weights((Sample("0", path, path),), 2, never) == pytest.approx((1.0, 1.0))
