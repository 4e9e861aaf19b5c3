"""What a search says of itself on the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from atrous.core.console import command
from atrous.core.trial import Reason
from atrous.search.ledger import Entry
from atrous.search.run import Run
from atrous.stages.search import SearchView, describe_state, status, total_of
from tests.records import CONTEXT, SETTINGS, architecture, failed, measured

BAD = "expected [3, 4] in [/tmp/a], got [red]"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run [bold]", SETTINGS, CONTEXT)


def text_of(run: Run, entries: list[Entry], running: bool = False) -> str:
    return status(run, entries, running)


def test_states_in_words() -> None:
    two = [measured(0, 0.25, elapsed=30.0), measured(1, 0.5, elapsed=60.0)]
    assert describe_state([], 6, None) == "no trial has ended yet"
    assert describe_state(two, 6, None) == "best 0.5000 (trial 1), 2.0 a minute, 0:02:00 left"
    assert describe_state(two, 6, 90.0).endswith("0:00:30 left")
    assert describe_state(two, 6, 30.0).endswith("0:00:00 left")
    assert describe_state(two, 2, None).endswith("0:00:00 left")
    lost = [failed(0, Reason.WORKER_LOST, elapsed=60.0)]
    assert describe_state(lost, 2, None) == "no score yet, 1.0 a minute, 0:01:00 left"
    assert describe_state([measured(0, elapsed=0.0)], 2, None).startswith("best")


def test_the_status_of_a_run(run: Run) -> None:
    entries = [measured(0, 0.5, elapsed=61.0), failed(1, Reason.OUT_OF_MEMORY, BAD, elapsed=122.0)]
    found = text_of(run, entries)
    for expected in (
        str(run.path),
        f"stopped; go on with: {command('search', '--resume', run.path)}",
        "2 of 6 ended, 1 of them failed",
        "best 0.5000 (trial 0)",
        "0:02:02",
        f"out of memory: {BAD}",
    ):
        assert expected in found
    assert "--resume" not in text_of(run, entries, running=True)
    assert "running" in text_of(run, entries, running=True)
    complete = text_of(run, [measured(number) for number in range(6)])
    assert "complete" in complete
    assert "--resume" not in complete
    assert "no trial has ended yet" in text_of(run, [])
    stay = [failed(0, Reason.OUT_OF_MEMORY, BAD), *map(measured, range(1, 6))]
    assert "complete" in text_of(run, stay)
    assert "--resume" not in text_of(run, stay)
    lost = [failed(0, Reason.WORKER_LOST, BAD), *map(measured, range(1, 6))]
    told = "complete, but for 1 trials that the machine's trouble ended; once more:"
    assert f"{told} {command('search', '--resume', run.path)}" in text_of(run, lost)


def test_the_last_three_failures_are_told(run: Run) -> None:
    found = text_of(run, [failed(number, Reason.ERROR, f"cause {number}") for number in range(5)])
    assert [f"cause {number}" in found for number in range(5)] == [False, False, True, True, True]


def test_each_entry_is_told_as_it_comes(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    done = measured(0, 0.25)
    view = SearchView(total_of(run), run.config.budget.seconds, [done])
    with view.shown():
        view.watch(measured(1, 0.5))
        view.watch(failed(2, Reason.NON_FINITE, BAD))
    found = capsys.readouterr()
    assert found.out == ""
    assert "1 trials are done already" in found.err
    assert f"trial   1  0.5000    0.7 s  uniform  {architecture(measured(1))}" in found.err
    assert f"trial   2  failed, non-finite: {BAD}" in found.err
    assert "3/6 trials" in found.err
    assert "best 0.5000 (trial 1)" in found.err


def test_a_new_search_says_nothing_of_earlier_trials(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with SearchView(total_of(run), run.config.budget.seconds, []).shown():
        pass
    assert "already" not in capsys.readouterr().err
