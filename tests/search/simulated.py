"""A search in virtual time: workers whose jobs take as long as is said, a ledger of no weight."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from heapq import heappop, heappush
from typing import Any

from atrous.core.trial import Measured
from atrous.search.ledger import Entry


class VirtualExecutor:
    """Runs jobs in virtual time; `duration` gives the seconds of each.

    `wait` stands for that of `concurrent.futures`: it goes on to the moment at which the next job
    ends. `busy` is the time that `workers` worked and `idle` the time that they did not, both until
    the last of `jobs` was submitted.
    """

    def __init__(self, duration: Callable[[], float], workers: int, jobs: int) -> None:
        self.busy = self.idle = self._now = 0.0
        self._workers, self._jobs = workers, jobs
        self._duration = duration
        self._running: list[tuple[float, int, Future[Any], Callable[[], Any]]] = []
        self._count = 0

    def submit(self, job: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        end = self._now + self._duration()
        heappush(self._running, (end, self._count, future, lambda: job(*args)))
        self._count += 1
        return future

    def wait(self, futures: Any, **_: object) -> tuple[set[Future[Any]], Any]:
        busy = len(self._running)
        end, _number, future, job = heappop(self._running)
        if self._count < self._jobs:
            self.busy += busy * (end - self._now)
            self.idle += (self._workers - busy) * (end - self._now)
        self._now = end
        future.set_result(job())
        return {future}, futures

    def __enter__(self) -> VirtualExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Weightless:
    """In the place of a ledger: it counts entries and forgets them."""

    def __init__(self) -> None:
        self.count = 0

    def recorded(self) -> list[Entry]:
        return []

    def record(self, entry: Entry, _widths: object) -> None:
        assert isinstance(entry.outcome, Measured)
        assert entry.trial.knows <= self.count
        self.count += 1
