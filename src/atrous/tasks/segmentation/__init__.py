"""Which class is at every pixel."""

from __future__ import annotations

from atrous.tasks.task import Lesson, Mean, Task, Value


def lesson() -> Lesson:
    """Returns the part that computes with tensors."""
    from atrous.tasks.segmentation import evaluate, probabilities

    return Lesson(
        head=probabilities.class_scores,
        loss=probabilities.summed_loss,
        labelled=probabilities.labelled,
        answer=evaluate.winners,
        tally=evaluate.confusion,
        summary=evaluate.metrics_of,
        evaluate=evaluate.evaluate,
    )


SEGMENTATION = Task(
    name="segmentation",
    values=("miou", "mean_accuracy", "pixel_accuracy", "weighted_iou"),
    loss="cross_entropy",
    objectives={
        "miou": Value("miou"),
        "blend": Mean(("miou", "mean_accuracy", "weighted_iou")),
        "cross-entropy": Value("cross_entropy", -1),
    },
    lesson=lesson,
    by_class="class_iou",
)
