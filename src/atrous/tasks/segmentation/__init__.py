"""Which class is at every pixel."""

from __future__ import annotations

from atrous.tasks import Task
from atrous.tasks.segmentation.evaluate import confusion, summarise
from atrous.tasks.segmentation.probabilities import class_scores, labelled, summed_loss

SEGMENTATION = Task(
    name="segmentation",
    head=class_scores,
    loss=summed_loss,
    labelled=labelled,
    tally=confusion,
    summary=summarise,
    value="miou",
)
