"""The questions that networks are asked of an image, one folder each. `TASKS` is the registry."""

from __future__ import annotations

from atrous.core.errors import AtrousError
from atrous.tasks.segmentation import SEGMENTATION
from atrous.tasks.task import Task

TASKS: dict[str, Task] = {
    "segmentation": SEGMENTATION,
}
USUAL = SEGMENTATION
"""The task where nobody names one."""


def find_task(name: str) -> Task:
    """The task of this name; raises `AtrousError`."""
    if name not in TASKS:
        raise AtrousError(f"--task is one of {', '.join(TASKS)}, got {name!r}.")
    return TASKS[name]
