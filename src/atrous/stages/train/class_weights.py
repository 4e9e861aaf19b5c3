"""Weights that let rare classes count for more."""

from __future__ import annotations

import numpy as np

from atrous.data.dataset import Progress, Samples, read_labels

BASE = 1.02


def balanced_weights(samples: Samples, classes: int, progress: Progress) -> tuple[float, ...]:
    """1 / ln(1.02 + share of the pixels), per class (Paszke et al. 2016, ENet, section 5.2),
    scaled to a mean of 1."""
    counts = np.zeros(256, np.int64)
    for sample in progress(samples, "counting classes", len(samples)):
        counts += np.bincount(read_labels(sample).ravel(), minlength=256)
    shares = counts[:classes] / max(1, counts[:classes].sum())
    weights = 1 / np.log(BASE + shares)
    scaled: list[float] = (weights / weights.mean()).tolist()
    return tuple(scaled)
