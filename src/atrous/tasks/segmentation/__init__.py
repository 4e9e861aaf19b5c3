"""Which class is at every pixel."""

from __future__ import annotations

from atrous.tasks import Task
from atrous.tasks.segmentation.head import class_scores, summed_loss
from atrous.tasks.segmentation.metrics import confusion, summarise

SEGMENTATION = Task(
    name="segmentation",
    head=class_scores,
    loss=summed_loss,
    tally=confusion,
    summary=summarise,
    value="miou",
)
