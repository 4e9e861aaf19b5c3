"""What every executor of the registry keeps."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import wait

import pytest

from atrous.core.errors import AtrousError
from atrous.execution import EXECUTORS, find_executor
from atrous.execution.executor import Executor
from tests.execution import jobs

every_executor = pytest.mark.parametrize("name", EXECUTORS)


@every_executor
def test_jobs_give_results_and_errors_in_any_number(name: str) -> None:
    with find_executor(name, 2) as executor:
        futures = [executor.submit(jobs.add, number, right=1) for number in range(7)]
        wait(futures)
        assert [future.result() for future in futures] == list(range(1, 8))
        failing = executor.submit(jobs.fail_demandingly)
        with pytest.raises(AtrousError, match="here: because"):
            failing.result()
        assert executor.submit(jobs.add, 1).result() == 1


@pytest.mark.parametrize("text", ["remote", "local:0", "local:many", ""])
def test_others_are_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(AtrousError, match=r"There are: local, inline|such as local:4"):
        find_executor(text, 1)


def test_a_local_executor_has_as_many_processes_as_it_is_told() -> None:
    made: Callable[[str, int], Executor] = EXECUTORS["local"]
    for address, workers, expected in (("", 2, 2), ("3", 2, 3)):
        executor = made(address, workers)
        with executor:
            assert executor._threads._max_workers == expected  # type: ignore[attr-defined]
