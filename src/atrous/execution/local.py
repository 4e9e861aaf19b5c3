"""Runs jobs in processes of this machine, shaped like `concurrent.futures.Executor`."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from types import TracebackType

from atrous.core.errors import AtrousError
from atrous.execution.executor import P, T, WorkerLostError

JOBS = 50
"""How many jobs a process does before another takes its place: torch's caches of compiled kernels
grow with each new architecture."""


class LocalExecutor:
    """Up to `workers` jobs at a time, each in its own long-lived process.

    A process that dies costs the job it ran, whose future raises `WorkerLostError`; the next job
    finds a new process. Leaving the context kills what still runs.
    """

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="atrous-job")
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._all: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, job: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Runs `job(*args, **kwargs)`, all of which must pickle, and gives its future result."""
        return self._threads.submit(self._run, job, args, kwargs)

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
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run(self, job: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> T:
        worker = self._take()
        try:
            result: T = worker.call(job, args, kwargs)
        except WorkerLostError:
            with self._lock:
                self._all.discard(worker)
            raise
        except BaseException:
            self._release(worker)
            raise
        self._release(worker)
        return result

    def _release(self, worker: _Worker) -> None:
        if worker.jobs < JOBS:
            self._idle.put(worker)
            return
        with self._lock:
            self._all.discard(worker)
        worker.kill()

    def _take(self) -> _Worker:
        with contextlib.suppress(queue.Empty):
            return self._idle.get_nowait()
        with self._lock:
            if self._closed:
                raise WorkerLostError("the executor is closed")
            worker = _Worker()
            self._all.add(worker)
            return worker


class _Worker:
    """One process and the pipe to it."""

    def __init__(self) -> None:
        self.jobs = 0
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _interruptions_held():
            self._process.start()
        theirs.close()

    def call(self, job: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> T:
        self.jobs += 1
        try:
            self._pipe.send((job, args, kwargs))
            result, error = self._pipe.recv()
        except (EOFError, OSError) as lost:
            self._process.join()
            code = self._process.exitcode
            raise WorkerLostError(f"the worker process ended with exit code {code}") from lost
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

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


def _serve(pipe: Connection) -> None:
    """The life of a worker: jobs in, results out, until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            request = pipe.recv_bytes()
        except EOFError:
            return
        pipe.send_bytes(_answer(request))


def _answer(request: bytes) -> bytes:
    """Returns what a pickled job gave, or the exception it raised, pickled."""
    try:
        job, args, kwargs = pickle.loads(request)
        return pickle.dumps((job(*args, **kwargs), None))
    except Exception as error:
        return pickle.dumps((None, _portable(error)))


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
