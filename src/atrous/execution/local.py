"""Runs jobs in processes of this machine, shaped like `concurrent.futures.Executor`."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Any

from atrous.core.errors import AtrousError
from atrous.execution import executor
from atrous.execution.executor import P, T, WorkerLostError

GROWTH = 1 << 30
"""A process that holds so many bytes more than after its first job gives way to another: torch's
caches of compiled kernels grow with each new architecture on a CPU. On a GPU they do not, and its
process, whose start costs seconds there, stays."""
JOBS = 50
"""It gives way after so many jobs where the system does not tell what it holds."""

Call = tuple[Callable[..., Any], tuple[object, ...], dict[str, object]]
"""A function and its arguments."""


class LocalExecutor:
    """Up to `workers` jobs at a time, each in its own long-lived process.

    A process that dies costs the job it ran, whose future raises `WorkerLostError`; the next job
    finds a new process. So it does after an error that no one foresaw: an accelerator on which one
    was raised fails at all that follows in the same process. To cancel a job that runs is to kill
    its process. Leaving the context kills what still runs.
    """

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="atrous-job")
        self._seats = list(range(workers))
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._waiting: set[_Task[Any]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, job: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Runs `job(*args, **kwargs)`, all of which must pickle, and gives its future result."""
        task: _Task[T] = _Task()
        self._waiting.add(task)
        self._threads.submit(self._run, task, (job, args, kwargs))
        return task

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._closed = True
            for worker in self._all:
                worker.kill()
        for task in tuple(self._waiting):
            task.cancel()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run(self, task: _Task[Any], call: Call) -> None:
        self._waiting.discard(task)
        if not task.set_running_or_notify_cancel():
            return
        try:
            result = self._call(task, call)
        except BaseException as error:
            task.set_exception(error)
        else:
            task.set_result(result)

    def _call(self, task: _Task[Any], call: Call) -> Any:
        worker = self._take()
        task.worker = worker
        try:
            return worker.call(call)
        finally:
            task.worker = None
            self._release(worker)

    def _release(self, worker: _Worker) -> None:
        with self._lock:
            if not worker.spent:
                self._idle.append(worker)
                return
            self._all.discard(worker)
            self._seats.append(worker.seat)
        worker.kill()

    def _take(self) -> _Worker:
        with self._lock:
            if self._closed:
                raise WorkerLostError("the executor is closed")
            if self._idle:
                return self._idle.pop()
            worker = _Worker(min(self._seats))
            # Its seat is taken once the process has begun: the system may refuse one.
            self._seats.remove(worker.seat)
            self._all.add(worker)
            return worker


class _Task(Future[T]):
    """The future result of a job; `worker` runs it now."""

    worker: _Worker | None = None

    def cancel(self) -> bool:
        """As `Future.cancel`; of a job that runs, the process is killed, and the job is lost."""
        if super().cancel():
            return True
        if worker := self.worker:
            worker.kill()
        return False


class _Worker:
    """One process and the pipe to it; `spent` when it is to do no other job."""

    def __init__(self, seat: int) -> None:
        self.seat, self.spent = seat, False
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, seat), daemon=True)
        with _interruptions_held():
            self._process.start()
        theirs.close()

    def call(self, call: Call) -> Any:
        try:
            self._pipe.send(call)
            result, error, self.spent = self._pipe.recv()
        except (EOFError, OSError) as lost:
            self.spent = True
            self._process.join()
            code = self._process.exitcode
            raise WorkerLostError(f"the worker process ended with exit code {code}") from lost
        if error is not None:
            raise error
        return result

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


@contextlib.contextmanager
def _interruptions_held() -> Iterator[None]:
    """Keeps Ctrl-C from what is started here until that has set how to take it."""
    resource_tracker.ensure_running()  # starting it would let interruptions through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection, seat: int) -> None:
    """The life of a worker: jobs in, results out, until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # It stays a daemon to its parent, which ends it, but a job may start processes of its own.
    multiprocessing.current_process().daemon = False
    executor.seat = seat
    threading.Thread(target=_end_with_parent, daemon=True).start()
    jobs, first = 0, 0
    while True:
        try:
            request = pipe.recv_bytes()
        except EOFError:
            return
        jobs += 1
        answer = _answer(request)
        first = first or _held()
        spent = _held() > first + GROWTH if first else jobs >= JOBS
        pipe.send_bytes(pickle.dumps((*answer, spent or _is_unforeseen(answer[1]))))


def _answer(request: bytes) -> tuple[Any, Exception | None]:
    """Returns what a pickled job gave, or the exception it raised; either can be pickled."""
    try:
        job, args, kwargs = pickle.loads(request)
        result = job(*args, **kwargs)
        pickle.dumps(result)
        return result, None
    except Exception as error:
        return None, _portable(error)


def _is_unforeseen(error: Exception | None) -> bool:
    return error is not None and not isinstance(error, AtrousError | MemoryError)


def _held() -> int:
    """Returns the bytes of memory of this process that no file backs; 0 if that is not told."""
    try:
        _, resident, shared, *_ = map(int, Path("/proc/self/statm").read_text().split())
    except (OSError, ValueError):
        return 0
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def _portable(error: Exception) -> Exception:
    """The error itself, or one in its place if the other side could not rebuild it."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        if isinstance(error, AtrousError):
            return AtrousError(str(error))
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
