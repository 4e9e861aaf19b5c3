"""Both rankings of a run, on the terminal."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from random import Random

import pytest
from rich.console import Console

from atrous.cli.tables import rankings
from atrous.core.trial import Reason
from atrous.report.rerank import SecondRanking, scatter_figure, second_ranking
from atrous.search.ledger import Entry
from atrous.search.run import RERANK, Run
from tests.records import SPACE
from tests.report.runs import baselines, failed, make_run, measured, reranked

PROXY = {2: 0.41, 3: 0.45, 4: 0.44, 5: 0.40, 6: 0.43}


def _run(path: Path, again: list[Entry]) -> Run:
    """A run in which trial 3 is the proxy's best, then 4, 6, 2, 5."""
    found = [measured(number, score) for number, score in PROXY.items()]
    run = make_run(path / "run", [*baselines(), *found, failed(7)])
    return reranked(run, again)


def _text(second: SecondRanking) -> str:
    screen = StringIO()
    Console(width=100, file=screen).print(rankings(second))
    return screen.getvalue()


def _again(number: int, score: float) -> Entry:
    return measured(number, score, f"trial {number}")


@pytest.fixture
def second(tmp_path: Path) -> SecondRanking:
    """Trial 6 wins, which stood third."""
    again = [
        measured(0, 0.52, "baseline dpc:aspp", "aspp"),
        _again(3, 0.55),
        _again(4, 0.50),
        _again(6, 0.58),
        failed(5, Reason.OUT_OF_MEMORY, "trial 5"),
    ]
    return second_ranking(_run(tmp_path, again))


def test_both_ranks_count_proposed_cells_alone(second: SecondRanking) -> None:
    lines = [
        (cell.name, cell.rank, cell.proxy.rank if cell.proxy else 0, cell.row.score)
        for cell in second.cells
    ]
    assert lines == [
        ("trial 6", 1, 3, 0.58),
        ("trial 3", 2, 1, 0.55),
        ("dpc:aspp", None, None, 0.52),
        ("trial 4", 3, 2, 0.50),
    ]
    assert [cell.proxy.score for cell in second.cells if cell.proxy] == [0.43, 0.45, 0.4187, 0.44]
    assert second.found == 5


def test_cost_is_that_of_the_cell(second: SecondRanking) -> None:
    genotype = SPACE.sample(Random(6))
    cost = SPACE.cost(genotype, {16: (320, 23, 30)}, 64)
    winner = second.winner
    assert winner is not None
    assert (winner.row.parameters, winner.row.multiply_adds) == (
        cost.parameters,
        cost.multiply_adds,
    )


def test_the_correlation_leaves_baselines_out(second: SecondRanking) -> None:
    """Standing ranks 3, 1, 2 against 1, 2, 3: rho = 1 - 6 (4 + 1 + 1) / (3 * 8) = -0.5."""
    assert second.correlation is not None
    assert second.correlation.count == 3
    assert second.correlation.spearman.value == pytest.approx(-0.5)
    assert second.correlation.kendall.value == pytest.approx(-1 / 3)


def test_the_table_fits_a_hundred_columns_and_says_where_the_winner_stood(
    second: SecondRanking,
) -> None:
    text = _text(second)
    assert max(map(len, text.splitlines())) <= 100
    words = " ".join(text.split())
    assert "The best after fine-tuning, trial 6, stood 3rd of 5 under the proxy." in words
    assert "Over 3 cells, Spearman's rho is −0.50 [−1.00, " in words
    assert "No second score for trial 5: out of memory: the loss <is> not finite" in words


def test_both_scores_are_named(tmp_path: Path) -> None:
    found = [measured(number, score) for number, score in PROXY.items()]
    run = make_run(tmp_path / "run", [*baselines(), *found], objective=("blend",))
    second = second_ranking(reranked(run, [_again(3, 0.55), _again(4, 0.5)]))
    assert "proxy blend" in " ".join(_text(second).split())
    assert "mIoU" not in _text(second)
    figure = scatter_figure(second)
    assert figure is not None
    assert "blend after fine-tuning against" in figure


def test_a_ranking_of_one_claims_no_agreement(tmp_path: Path) -> None:
    second = second_ranking(_run(tmp_path, [_again(4, 0.5)]))
    assert second.correlation is None
    assert "Too few cells have both scores" in _text(second)


def test_nothing_ranked_again_yet_is_said(tmp_path: Path) -> None:
    run = _run(tmp_path, [failed(3, Reason.ERROR, "trial 3")])
    text = _text(second_ranking(run))
    assert "Nothing has a second score yet." in text
    assert "No second score for trial 3: error" in text


def test_a_run_that_was_not_ranked_again_has_no_second_ranking(tmp_path: Path) -> None:
    run = _run(tmp_path, [_again(4, 0.5)])
    (run.path / RERANK).unlink()
    assert second_ranking(run).cells == ()


def test_a_trial_without_a_proxy_score_is_out_of_the_correlation(tmp_path: Path) -> None:
    again = [_again(4, 0.5), _again(3, 0.4), _again(7, 0.6)]
    second = second_ranking(_run(tmp_path, again))
    assert second.cells[0].proxy is None
    assert second.correlation is not None
    assert second.correlation.count == 2
    assert "stood" not in _text(second)
