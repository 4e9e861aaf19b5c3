"""Jobs in other processes: results, errors, lost workers, and no process left behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.execution.executor import WorkerLostError
from atrous.execution.local import GROWTH, LocalExecutor
from tests.execution import jobs
from tests.processes import PATIENCE, eventually, is_alive, pids

ROOT = Path(__file__).parents[2]

DRIVER = """
import signal, sys
from pathlib import Path
from atrous.execution.local import GROWTH, LocalExecutor
from tests.execution import jobs

folder, deaf = Path(sys.argv[1]), sys.argv[2] == "deaf"
if __name__ == "__main__":
    # A shell's background jobs, and all that they start, ignore interruptions otherwise.
    signal.signal(signal.SIGINT, (lambda *_: None) if deaf else signal.default_int_handler)
    (folder / "ready").touch()
    try:
        with LocalExecutor(2) as executor:
            waiting = [executor.submit(jobs.stay_until, folder, "go") for _ in range(2)]
            print([future.result() for future in waiting], flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@contextmanager
def driver(folder: Path, mode: str = "") -> Iterator[subprocess.Popen[str]]:
    """A process of its own group that runs two jobs, which end when the file `go` appears."""
    script = folder / "driver.py"
    script.write_text(DRIVER)
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder), mode],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_a_job_gives_its_result() -> None:
    with LocalExecutor(1) as executor:
        assert executor.submit(jobs.add, 2, right=3).result() == 5


def test_jobs_run_at_the_same_time(tmp_path: Path) -> None:
    with LocalExecutor(2) as executor:
        one = executor.submit(jobs.meet, tmp_path, "a", "b")
        two = executor.submit(jobs.meet, tmp_path, "b", "a")
        assert one.result()
        assert two.result()


def test_one_worker_is_one_process_that_stays() -> None:
    with LocalExecutor(1) as executor:
        found = {executor.submit(jobs.pid).result() for _ in range(4)}
        assert len(found) == 1
        assert os.getpid() not in found


def test_an_error_of_the_user_comes_back_and_the_worker_stays() -> None:
    with LocalExecutor(1) as executor:
        before = executor.submit(jobs.pid).result()
        with pytest.raises(AtrousError, match=r"^here: because$"):
            executor.submit(jobs.fail_demandingly).result()
        assert executor.submit(jobs.pid).result() == before


def test_an_unforeseen_error_comes_back_and_its_process_is_not_used_again() -> None:
    """As an accelerator is broken for its process by an error, here a variable is."""
    with LocalExecutor(1) as executor:
        before = executor.submit(jobs.pid).result()
        with pytest.raises(RuntimeError, match="device-side assert"):
            executor.submit(jobs.break_device).result()
        assert executor.submit(jobs.use_device).result() != before
        assert eventually(lambda: not is_alive(before))


def test_a_job_may_start_processes() -> None:
    with LocalExecutor(1) as executor:
        assert executor.submit(jobs.add_in_a_process, 2, 3).result() == 5


def test_a_cancelled_job_is_killed_and_another_finds_a_process(tmp_path: Path) -> None:
    with LocalExecutor(1) as executor:
        hanging = executor.submit(jobs.stay, tmp_path)
        waiting = executor.submit(jobs.add, 1)
        never = executor.submit(jobs.add, 2)
        assert never.cancel()
        assert eventually(lambda: bool(pids(tmp_path)))
        hanging.cancel()
        with pytest.raises(WorkerLostError):
            hanging.result(timeout=PATIENCE)
        assert not is_alive(pids(tmp_path)[0])
        assert waiting.result() == 1
        with pytest.raises(CancelledError):
            never.result()


def test_each_process_has_a_seat_of_its_own_and_its_successor_has_the_same(tmp_path: Path) -> None:
    with LocalExecutor(2) as executor:
        other = executor.submit(jobs.stay_until, tmp_path, "go")
        seats = {executor.submit(jobs.seat).result() for _ in range(2)}
        assert len(seats) == 1
        with pytest.raises(WorkerLostError):
            executor.submit(jobs.end_process, 7).result()
        assert executor.submit(jobs.seat).result() in seats
        (tmp_path / "go").touch()
        assert other.result()
        found = [executor.submit(jobs.meeting_seat, tmp_path, a, b) for a, b in ("ab", "ba")]
        assert sorted(future.result() for future in found) == [0, 1]


def test_what_does_not_pickle_comes_back_in_words() -> None:
    with LocalExecutor(1) as executor:
        with pytest.raises(RuntimeError, match="LocalError: of this process alone"):
            executor.submit(jobs.fail_locally).result()
        with pytest.raises(TypeError, match="pickle"):
            executor.submit(jobs.unpicklable).result()
        with pytest.raises(Exception, match="pickle"):
            executor.submit(lambda: None).result()
        with pytest.raises(TypeError, match="Unwelcome"):
            executor.submit(jobs.add, jobs.Unwelcome()).result()  # type: ignore[arg-type]
        assert executor.submit(jobs.add, 1).result() == 1


def test_a_process_that_ends_costs_its_own_job_alone(tmp_path: Path) -> None:
    with LocalExecutor(2) as executor:
        other = executor.submit(jobs.stay_until, tmp_path, "go")
        with pytest.raises(WorkerLostError, match="exit code 7"):
            executor.submit(jobs.end_process, 7).result()
        assert executor.submit(jobs.add, 1).result() == 1
        (tmp_path / "go").touch()
        assert other.result()


def test_a_killed_worker_costs_its_job_and_the_next_finds_another(tmp_path: Path) -> None:
    with LocalExecutor(1) as executor:
        lost = executor.submit(jobs.stay, tmp_path)
        assert eventually(lambda: bool(pids(tmp_path)))
        os.kill(pids(tmp_path)[0], signal.SIGKILL)
        with pytest.raises(WorkerLostError, match="exit code -9"):
            lost.result(timeout=PATIENCE)
        assert executor.submit(jobs.pid).result() not in pids(tmp_path)


def test_a_worker_killed_between_jobs_is_replaced() -> None:
    with LocalExecutor(1) as executor:
        idle = executor.submit(jobs.pid).result()
        os.kill(idle, signal.SIGKILL)
        assert eventually(lambda: not is_alive(idle))
        with pytest.raises(WorkerLostError):
            executor.submit(jobs.pid).result()
        assert executor.submit(jobs.pid).result() != idle


def test_leaving_kills_what_runs_and_drops_what_waits(tmp_path: Path) -> None:
    with suppress(KeyboardInterrupt), LocalExecutor(1) as executor:
        running = executor.submit(jobs.stay, tmp_path)
        waiting = executor.submit(jobs.add, 1)
        assert eventually(lambda: bool(pids(tmp_path)))
        raise KeyboardInterrupt
    assert not is_alive(pids(tmp_path)[0])
    with pytest.raises(WorkerLostError):
        running.result()
    with pytest.raises((CancelledError, WorkerLostError)):
        waiting.result()


def test_a_process_that_the_system_refuses_costs_its_job_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusals = [BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")]
    start = SpawnProcess.start

    def refused_once(process: SpawnProcess) -> None:
        if refusals:
            raise refusals.pop()
        start(process)

    monkeypatch.setattr(SpawnProcess, "start", refused_once)
    with LocalExecutor(1) as executor:
        lost, later = executor.submit(jobs.add, 1), executor.submit(jobs.add, 1)
        with pytest.raises(BlockingIOError):
            lost.result()
        assert later.result() == jobs.add(1)


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    with driver(tmp_path) as process:
        assert eventually(lambda: len(pids(tmp_path)) == 2)
        process.kill()
        process.communicate()
    assert eventually(lambda: not any(map(is_alive, pids(tmp_path))))


def test_an_interrupted_driver_leaves_no_process_and_no_traceback(tmp_path: Path) -> None:
    with driver(tmp_path) as process:
        assert eventually(lambda: len(pids(tmp_path)) == 2)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (out, err) == ("interrupted\n", "")
    assert not any(map(is_alive, pids(tmp_path)))


def test_workers_do_not_hear_interruptions_even_while_they_start(tmp_path: Path) -> None:
    with driver(tmp_path, "deaf") as process:
        assert eventually((tmp_path / "ready").exists)

        def interrupt_and_look() -> bool:
            os.killpg(process.pid, signal.SIGINT)
            return len(pids(tmp_path)) == 2

        assert eventually(interrupt_and_look)
        (tmp_path / "go").touch()
        out, err = process.communicate(timeout=PATIENCE)
    assert (out, err) == ("[True, True]\n", "")


def test_a_process_retires_when_it_holds_much_more_than_after_its_first_job() -> None:
    with LocalExecutor(1) as executor:
        first = executor.submit(jobs.pid).result()
        assert executor.submit(jobs.hold, GROWTH // 2).result() == first
        assert executor.submit(jobs.hold, GROWTH).result() == first
        assert executor.submit(jobs.pid).result() != first
        assert not is_alive(first)
