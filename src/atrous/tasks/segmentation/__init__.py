"""Which class is at every pixel."""

from __future__ import annotations

from atrous.tasks import Task
from atrous.tasks.segmentation.evaluate import confusion, summarise
from atrous.tasks.segmentation.probabilities import class_scores, summed_loss

SEGMENTATION = Task(
    name="segmentation",
    head=class_scores,
    loss=summed_loss,
    tally=confusion,
    summary=summarise,
    value="miou",
)
