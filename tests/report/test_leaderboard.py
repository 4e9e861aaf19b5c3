"""The leaderboard as records, on the terminal and as CSV."""

from __future__ import annotations

import csv
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from atrous.cli.tables import leaderboard_table
from atrous.core.errors import AtrousError
from atrous.core.trial import Measured, Reason, Rung
from atrous.report.leaderboard import Row, leaderboard, write_csv
from atrous.report.page import write_report
from atrous.search.ledger import Entry
from tests.records import SPACE
from tests.report.runs import a_run, baselines, failed, make_run, measured, plausible


def _text(rows: list[Row], entries: list[Entry]) -> str:
    screen = StringIO()
    Console(width=100, file=screen).print(leaderboard_table(rows, entries))
    return screen.getvalue()


def test_ranks_follow_scores_and_equals_the_trial_number() -> None:
    entries = [*baselines(), measured(2, 0.5), measured(3, 0.42), measured(4, 0.5), failed(5)]
    rows = leaderboard(a_run(), entries)
    assert [(row.rank, row.number) for row in rows] == [(1, 2), (2, 4), (3, 1), (4, 3), (5, 0)]
    assert [row.number for row in rows if row.is_baseline] == [1, 0]
    assert [row.name for row in rows if row.is_baseline] == ["dpc:top1", "dpc:aspp"]


def test_each_rung_has_a_ranking_of_its_own(tmp_path: Path) -> None:
    """The score of a short training never stands in the ranking of the long ones."""

    def on(entry: Entry, level: int, steps: int) -> Entry:
        job = replace(entry.outcome.job, rung=Rung(level, steps))
        return replace(entry, outcome=replace(entry.outcome, job=job))

    short = [on(measured(n, score), 0, 25) for n, score in ((2, 0.6), (3, 0.3), (4, 0.5))]
    entries = [on(baselines()[0], 1, 100), *short, on(measured(4, 0.55), 1, 100)]
    rows = leaderboard(a_run(), entries)
    assert [(row.rank, row.number, row.steps) for row in rows] == [
        *((1, 4, 100), (2, 0, 100)),
        *((1, 2, 25), (2, 3, 25)),
    ]
    lines = _text(rows, entries).splitlines()
    assert "steps" in lines[0]
    assert all(str(row.steps) in line.split() for row, line in zip(rows, lines[1:], strict=False))
    run = make_run(tmp_path / "run", entries, rungs=2, steps=100)
    page = write_report(run).read_text()
    assert "trained for 25 steps, and those that showed promise on to 100" in page
    assert "ranks are of those" in page


def test_rows_tell_the_cost_of_the_whole_cell() -> None:
    (row,) = leaderboard(a_run(), [measured(0, 0.4, "baseline dpc:aspp", "aspp")])
    cost = SPACE.cost(SPACE.published["aspp"], {16: (320, 23, 30)}, 64)
    assert (row.parameters, row.multiply_adds) == (cost.parameters, cost.multiply_adds)
    weights = 5 * 320 * 64 + 3 * 9 * 320 + 5 * 64 * 64
    assert row.parameters == weights + 2 * (6 * 64 + 3 * 320)


def test_the_table_fits_a_hundred_columns() -> None:
    entries = plausible()
    text = _text(leaderboard(a_run(objective=("blend",)), entries), entries)
    assert max(map(len, text.splitlines())) <= 100
    assert "dpc:aspp" in text
    assert "28 more in leaderboard.csv. 2 trials failed: 1 non-finite, 1 error." in text
    assert all(
        line.split()[0] in {"rank", *map(str, range(1, 41)), "28"} for line in text.splitlines()
    )


def test_an_empty_table_says_so() -> None:
    entries = [failed(0, Reason.OUT_OF_MEMORY), failed(1, Reason.OUT_OF_MEMORY)]
    text = _text(leaderboard(a_run(), entries), entries)
    assert "No trial has a score yet. 2 trials failed: 2 out of memory." in " ".join(text.split())


def test_csv_has_every_trial_with_its_numbers(tmp_path: Path) -> None:
    entries = [*baselines(), measured(2, 0.45123), failed(3)]
    write_csv(a_run(), entries, tmp_path / "leaderboard.csv")
    with (tmp_path / "leaderboard.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["trial"] for line in lines] == ["2", "1", "0", "3"]
    best, _, aspp, bad = lines
    outcome = entries[2].outcome
    assert isinstance(outcome, Measured)
    assert float(best["score"]) == entries[2].score == 0.45123
    assert float(best["iou road"]) == outcome.details["class_iou"][0]
    assert best["iou bicyclist"] == ""
    assert aspp["cell"].startswith("0: 1x1 of features; 1: 3x3 rate 6x6 of features")
    assert (bad["rank"], bad["score"], bad["outcome"]) == ("", "", "non-finite")
    assert "<is>" in bad["error"]
    assert int(bad["parameters"]) > 0


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match="Expected to write"):
        write_csv(a_run(), [], tmp_path / "absent" / "leaderboard.csv")
