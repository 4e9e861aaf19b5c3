"""The score that decides which weights are kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from atrous.data.dataset import Samples, read_image, read_labels
from atrous.data.transform import Transform
from atrous.training.selection import Selection
from tests.training.material import ALONE, network


def test_it_is_the_mean_iou_over_all_images_at_full_size(samples: tuple[Samples, Samples]) -> None:
    one = network(seed=2)
    transform = Transform(one.backbone.mean, one.backbone.std)
    found = Selection(samples[1], 3, transform, ALONE)(one)
    labels, predictions = [], []
    for sample in samples[1]:
        with torch.no_grad():
            logits = one(transform(read_image(sample.image))[None])[0]
        predictions.append(logits.argmax(0).numpy().ravel())
        labels.append(read_labels(sample).ravel())
    truth, guess = np.concatenate(labels), np.concatenate(predictions)
    ious = [
        ((truth == k) & (guess == k)).sum() / ((truth == k) | (guess == k)).sum() for k in (0, 1, 2)
    ]
    assert found.miou == pytest.approx(np.mean(ious))
    assert found.class_iou == pytest.approx(ious)
    assert found.pixel_accuracy == pytest.approx((truth == guess).mean())
    assert found.cross_entropy is None
    assert len(found.branch_norms) == 2


def test_a_network_in_training_is_scored_as_it_will_be_used(
    samples: tuple[Samples, Samples],
) -> None:
    one = network(seed=2)
    score = Selection(samples[1], 3, Transform(one.backbone.mean, one.backbone.std), ALONE)
    expected = score(one)
    one.train()
    assert score(one) == expected
    assert all(module.training for module in one.modules() if isinstance(module, nn.Dropout))
