"""Scores of a segmentation, all from one K x K matrix of pixel counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Counts = npt.NDArray[np.int64]
LABELS = 256
"""Labels are bytes; those that are no class, such as 255, are left out of every count."""


@dataclass(frozen=True)
class Scores:
    """Shares in [0, 1]. A class in neither label nor prediction has IoU `None` and no weight."""

    miou: float
    mean_accuracy: float
    pixel_accuracy: float
    weighted_iou: float
    class_iou: tuple[float | None, ...]


def confusion(label: Tensor, prediction: Tensor, classes: int) -> Tensor:
    """Pixel counts [K, K], label by prediction; both arguments are bytes of one shape."""
    pairs = label.flatten().int() * classes + prediction.flatten()
    counts = torch.bincount(pairs, minlength=LABELS * classes)
    return counts[: classes * classes].view(classes, classes)


def winners(logits: Tensor) -> Tensor:
    """The class of each position, [K, H, W] -> [H, W], as bytes."""
    if logits.device.type == "cpu":
        return torch.from_numpy(logits.numpy().argmax(0).astype(np.uint8))
    return logits.argmax(0).to(torch.uint8)


def summarise(counts: Counts) -> Scores:
    """The scores of a K x K matrix, label by prediction.

    mIoU is the mean over the classes that appear in label or prediction, as in the reference
    implementation; accuracies and frequencies weigh the classes that appear in the label.
    """
    hits = np.diag(counts).astype(np.float64)
    labelled, predicted = counts.sum(1), counts.sum(0)
    union = labelled + predicted - hits
    seen, asked = union > 0, labelled > 0
    iou = np.divide(hits, union, out=np.zeros_like(hits), where=seen)
    total = max(1, int(counts.sum()))
    return Scores(
        miou=float(iou[seen].mean()) if seen.any() else 0.0,
        mean_accuracy=float((hits[asked] / labelled[asked]).mean()) if asked.any() else 0.0,
        pixel_accuracy=float(hits.sum() / total),
        weighted_iou=float((iou * labelled).sum() / total),
        class_iou=tuple(float(i) if s else None for i, s in zip(iou, seen, strict=True)),
    )
