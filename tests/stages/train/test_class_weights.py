"""Weights that let rare classes count for more."""

from __future__ import annotations

from math import log
from pathlib import Path

import pytest

from atrous.data.dataset import Sample
from atrous.stages.train.config import balanced_weights
from tests.data.folder import labels
from tests.training.material import never


def test_weights_follow_the_shares_of_labelled_pixels(tmp_path: Path) -> None:
    """ENet's rule, by hand: a quarter, three quarters, none; ignored pixels count nowhere."""
    paths = [tmp_path / "0.png", tmp_path / "1.png"]
    labels(0, 1, 255, 255, height=8).save(paths[0])
    labels(1, 1, 255, 255, height=8).save(paths[1])
    samples = tuple(Sample(path.stem, path, path) for path in paths)
    raw = [1 / log(1.02 + share) for share in (0.25, 0.75, 0.0)]
    mean = sum(raw) / 3
    assert balanced_weights(samples, 3, never) == pytest.approx([weight / mean for weight in raw])


def test_a_data_set_without_labels_weighs_all_alike(tmp_path: Path) -> None:
    path = tmp_path / "0.png"
    labels(255).save(path)
    assert balanced_weights((Sample("0", path, path),), 2, never) == pytest.approx((1.0, 1.0))
