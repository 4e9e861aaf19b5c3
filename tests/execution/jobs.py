"""Jobs that other processes run."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import NoReturn

from atrous.core.errors import AtrousError
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
