"""Where jobs run: one file per executor. `EXECUTORS` is the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from atrous.core.config import MOST_WORKERS
from atrous.core.errors import AtrousError
from atrous.execution.executor import Executor, InlineExecutor
from atrous.execution.local import LocalExecutor

EXECUTORS: Mapping[str, Callable[[str, int], Executor]] = {
    "local": lambda address, workers: LocalExecutor(_count(address) if address else workers),
    "inline": lambda address, workers: InlineExecutor(),  # noqa: ARG005
}
"""From what follows the colon, and how many jobs are to run at a time, to an executor."""


def find_executor(text: str, workers: int) -> Executor:
    """Returns the executor that a text names: `inline`, `local` for `workers` processes, `local:4`.

    Raises `AtrousError`.
    """
    name, _, address = text.partition(":")
    if name not in EXECUTORS:
        raise AtrousError(f"Expected an executor, got {text!r}. There are: {', '.join(EXECUTORS)}.")
    return EXECUTORS[name](address, workers)


def _count(address: str) -> int:
    if not address.isdecimal() or not 0 < int(address[:9]) < MOST_WORKERS:
        raise AtrousError(
            f"Expected a number of processes below {MOST_WORKERS}, such as local:4, got "
            f"local:{address:.40}."
        )
    return int(address)
