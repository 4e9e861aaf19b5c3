"""Where jobs run: one shape for all executors, that of `concurrent.futures`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


seat = 0
"""The number of this process among those that run jobs beside each other, from 0: it says which of
several accelerators is its own."""


class WorkerLostError(Exception):
    """The process that ran a job ended before the job did."""


class Executor(Protocol):
    """A context that runs jobs; leaving it ends what still runs."""

    def submit(self, job: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Starts `job(*args, **kwargs)`, all of which must pickle, and returns its future result.

        The future raises what the job raises, and `WorkerLostError` where its worker was lost. Its
        `cancel` ends the process of a job that runs, where the executor can.
        """

    def __enter__(self) -> Executor:
        """Returns itself."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends what still runs."""


class InlineExecutor:
    """Runs each job to its end before `submit` returns."""

    def submit(self, job: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """See `Executor`."""
        future: Future[T] = Future()
        try:
            future.set_result(job(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future

    def __enter__(self) -> InlineExecutor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing still runs."""


LOOK = 5.0
"""Seconds between two looks at jobs that run."""
TIMES, FLOOR = 10, 120.0
"""A job may take so many times as long as the slowest before it, and so many seconds more."""


class Patience:
    """Tells which jobs hang: those that take `TIMES` as long as the slowest that ended, each by its
    size, and `FLOOR` seconds more. Before any has ended, none does.

    Time in which nobody looks is not counted: a computer that slept, or a search that was held
    with Ctrl-Z, loses no job by it. Waiting for a process to be free does not count either.
    """

    def __init__(self) -> None:
        self._pace = 0.0
        self._ages: dict[Future[Any], float] = {}
        self._looked = 0.0

    def learn(self, seconds: float, size: float) -> None:
        """Hears of a job that ended well after `seconds`; jobs twice the size may take twice as
        long."""
        self._pace = max(self._pace, seconds / size)

    def allowed(self, size: float) -> float | None:
        """Returns the seconds that a job of a size may take; `None` if that is not known yet."""
        return TIMES * self._pace * size + FLOOR if self._pace else None

    def overdue(
        self, running: Iterable[tuple[Future[Any], float]], now: float
    ) -> list[Future[Any]]:
        """Returns those of the running jobs, each with its size, that hang; asked every `LOOK`
        seconds or more often."""
        passed = min(now - self._looked, 2 * LOOK)
        if passed < LOOK:
            return []
        self._looked = now
        sizes = dict(running)
        self._ages = {f: self._ages.get(f, -passed) + passed for f in sizes if f.running()}
        limits = {future: self.allowed(sizes[future]) for future in self._ages}
        return [f for f, limit in limits.items() if limit is not None and self._ages[f] > limit]
