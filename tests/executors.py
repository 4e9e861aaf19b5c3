"""Executors of this process, for what need not run in another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from tests.processes import eventually

Pick = Callable[[Sequence[int]], int]
"""Which of the waiting jobs, given by their order of submission, ends next."""


class Reordering:
    """Ends jobs in the order that `pick` says, one at a time, while others wait.

    `hold` is how many jobs must wait before the first ends; `peak`, how many ever waited.
    """

    def __init__(self, pick: Pick, hold: int = 1) -> None:
        self.peak = 0
        self._pick = pick
        self._hold = hold
        self._waiting: dict[int, Callable[[], None]] = {}
        self._submitted = 0
        self._lock = threading.Lock()
        self._open = True
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def submit(self, job: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        with self._lock:
            self._waiting[self._submitted] = lambda: _run(future, job, args)
            self._submitted += 1
            self.peak = max(self.peak, len(self._waiting))
        return future

    def __enter__(self) -> Reordering:
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False
        self._thread.join()

    def _work(self) -> None:
        eventually(lambda: self.peak >= self._hold or not self._open)
        while self._open:
            time.sleep(0.002)
            with self._lock:
                chosen = self._pick(sorted(self._waiting)) if self._waiting else None
                job = self._waiting.pop(chosen) if chosen is not None else None
            if job is not None:
                job()


def _run(future: Future[Any], job: Callable[..., Any], args: Sequence[Any]) -> None:
    try:
        future.set_result(job(*args))
    except Exception as error:
        future.set_exception(error)
