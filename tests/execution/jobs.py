"""Jobs that other processes run."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from atrous.core.errors import AtrousError
from atrous.core.trial import Job, Measured, Outcome
from atrous.execution import executor
from tests.processes import eventually


class DemandingError(AtrousError):
    """An error that is not rebuilt from its message alone."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(f"{place}: {why}")


def add(left: int, right: int = 0) -> int:
    return left + right


def pid() -> int:
    return os.getpid()


def meet(folder: Path, mine: str, other: str) -> bool:
    """Whether the job `other` is running while this one does."""
    (folder / mine).touch()
    return eventually((folder / other).exists)


def seat() -> int:
    return executor.seat


def meeting_seat(folder: Path, mine: str, other: str) -> int:
    """The seat of this process, while the job `other` has one as well."""
    assert meet(folder, f"{mine} sits", f"{other} sits")
    return executor.seat


_broken: list[str] = []
_held: list[bytearray] = []


def break_device() -> NoReturn:
    _broken.append("by this")
    raise RuntimeError("CUDA error: device-side assert triggered")


def use_device() -> int:
    assert not _broken
    return os.getpid()


def hold(size: int) -> int:
    """Never gives so many bytes back."""
    _held.append(bytearray(b"1") * size)
    return os.getpid()


def add_in_a_process(left: int, right: int) -> int:
    """As a loader of images does: a process that must end when its parent's function does."""
    queue = multiprocessing.get_context("spawn").SimpleQueue()
    process = multiprocessing.get_context("spawn").Process(
        target=_put_sum, args=(queue, left, right), daemon=True
    )
    process.start()
    result: int = queue.get()
    process.join()
    return result


def _put_sum(queue: Any, left: int, right: int) -> None:
    queue.put(left + right)


def stay(folder: Path) -> NoReturn:
    """Says who it is and never ends."""
    (folder / str(os.getpid())).touch()
    while True:
        time.sleep(60)


def stay_until(folder: Path, name: str) -> bool:
    """Says who it is and ends when a file appears."""
    (folder / str(os.getpid())).touch()
    return eventually((folder / name).exists)


def end_process(code: int) -> NoReturn:
    os._exit(code)


def fail(text: str) -> NoReturn:
    raise LookupError(text)


def fail_demandingly() -> NoReturn:
    raise DemandingError("here", "because")


def fail_locally() -> NoReturn:
    class LocalError(Exception):
        pass

    raise LocalError("of this process alone")


def unpicklable() -> threading.Lock:
    return threading.Lock()


class Unwelcome:
    """Pickles, and is refused where it is unpickled."""

    def __reduce__(self) -> tuple[type[Unwelcome], tuple[int]]:
        return (Unwelcome, (1,))


def lack_memory(*_: object) -> NoReturn:
    raise MemoryError("not enough for this test")


@dataclass(frozen=True)
class Refusing:
    """An estimator that refuses one trial."""

    number: int

    def __call__(self, job: Job) -> Outcome:
        if job.trial.number == self.number:
            raise AtrousError("The features are gone.")
        return Measured(job, {"miou": 0.5}, {}, 0.01)


@dataclass(frozen=True)
class Hanging:
    """An estimator that never ends one trial."""

    number: int
    folder: Path

    def __call__(self, job: Job) -> Outcome:
        if job.trial.number == self.number:
            stay(self.folder)
        return Measured(job, {"miou": 0.5}, {}, 0.01)
