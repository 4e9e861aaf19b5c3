"""Which architecture of a run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.core.trial import Reason
from atrous.search.run import Run, ranked, winner
from tests.records import failed
from tests.report.runs import make_run, measured, reranked

ENTRIES = (
    measured(0, 0.9, "baseline dpc:aspp", "aspp"),
    measured(1, 0.2),
    measured(2, 0.6),
    measured(3, 0.4),
    failed(4, Reason.NON_FINITE),
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path / "run", ENTRIES)


def test_proposed_cells_are_ranked_by_score_without_baselines_and_failures() -> None:
    assert [outcome.trial.number for outcome in ranked(ENTRIES)] == [2, 3, 1]
    assert ranked(ENTRIES[:1]) == []


def test_equal_scores_stay_in_order() -> None:
    entries = [measured(n, 0.5) for n in range(4)]
    assert [outcome.trial.number for outcome in ranked(entries)] == [0, 1, 2, 3]


def test_the_best_of_the_search_wins_where_nothing_was_ranked_again(run: Run) -> None:
    assert winner(run) == ENTRIES[2].trial


def test_the_best_of_the_second_ranking_wins_and_is_the_searchs_trial(run: Run) -> None:
    second = [
        measured(0, 0.95, "baseline dpc:aspp", "aspp"),
        measured(1, 0.1, "trial 2"),
        measured(2, 0.3, "trial 1"),
        measured(3, 0.2, "trial 3"),
    ]
    assert winner(reranked(run, second)) == ENTRIES[1].trial


def test_a_second_ranking_without_scores_leaves_it_to_the_first(run: Run) -> None:
    second = [measured(0, 0.95, "baseline dpc:aspp", "aspp"), failed(1, Reason.NON_FINITE)]
    assert winner(reranked(run, second)) == ENTRIES[2].trial


def test_without_scores_there_is_no_winner(tmp_path: Path) -> None:
    empty = make_run(tmp_path / "run", (ENTRIES[0], ENTRIES[4]))
    with pytest.raises(AtrousError, match="Expected a trial with a score in"):
        winner(empty)
