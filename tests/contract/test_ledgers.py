"""What a ledger keeps on any database: here on files of SQLite."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.core.trial import Rung
from atrous.search.ledger import Entry, Ledger, file_url, holds_results
from tests.records import measured, widths
from tests.strategies.learning import Preferences


def on_rung(entry: Entry, level: int) -> Entry:
    job = replace(entry.outcome.job, rung=Rung(level, 400))
    return replace(entry, outcome=replace(entry.outcome, job=job))


def record(ledger: Ledger, *entries: Entry) -> None:
    for entry in entries:
        ledger.record(entry, widths(entry))


def test_two_runs_on_one_database_do_not_collide(tmp_path: Path) -> None:
    url = file_url(tmp_path / "shared.db")
    one, other = Ledger.create(url, "search one"), Ledger.create(url, "search other")
    record(one, measured(0), measured(1))
    record(other, measured(0, 0.9))
    assert one.entries() == [measured(0), measured(1)]
    assert Ledger(url, "search other").entries() == [measured(0, 0.9)]
    one.forget()
    assert (one.entries(), other.entries()) == ([], [measured(0, 0.9)])
    assert holds_results(url)


def test_reading_creates_nothing(tmp_path: Path) -> None:
    url = file_url(tmp_path / "ledger.db")
    with pytest.raises(AtrousError, match="no such file"):
        Ledger(url, "search")
    assert not list(tmp_path.iterdir())
    Ledger.create(url, "search")
    with pytest.raises(AtrousError, match=r"ledger\.db"):
        Ledger(url, "rerank")
    assert not holds_results(url)


def test_a_trial_has_an_entry_on_each_rung(tmp_path: Path) -> None:
    ledger = Ledger.create(file_url(tmp_path / "ledger.db"), "search")
    entries = [on_rung(measured(1), 0), on_rung(measured(0), 0), on_rung(measured(1), 1)]
    record(ledger, *entries)
    assert ledger.recorded() == entries
    assert [entry.key for entry in ledger.entries()] == [(0, 0), (1, 0), (1, 1)]


def test_the_state_of_a_strategy_is_kept_under_the_number_of_its_results(tmp_path: Path) -> None:
    ledger = Ledger.create(file_url(tmp_path / "ledger.db"), "search")
    with pytest.raises(LookupError):
        ledger.kept(Preferences)
    for results in (5, 12):
        ledger.keep(results, Preferences({"0.1": (0.1 + 0.2, results)}))
    again = Ledger(ledger.url, "search")
    assert again.kept(Preferences) == (12, Preferences({"0.1": (0.1 + 0.2, 12)}))
    with pytest.raises(LookupError):
        again.kept(Rung)
