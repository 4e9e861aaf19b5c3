"""From ledgers to coefficients and costs."""

from __future__ import annotations

from math import isnan
from pathlib import Path

import pytest
from scipy import stats

from atrous.stages.fidelity.result import Expense, StudyResult, gather, pairs
from tests.stages.fidelity.studies import SETTINGS, fill, new_study

CELLS = ("1x1", "r6", "r12", "r18", "pool")


def result(path: Path, **changes: object) -> StudyResult:
    """Five of 31 cells, one of them failed end to end, one not yet measured with the large."""
    study = new_study(path, **changes)
    fill(study, "cached", dict(zip(CELLS, (0.1, 0.2, 0.3, 0.4, 0.5), strict=True)), 2.0)
    fill(study, "end-to-end", dict(zip(CELLS, (0.2, 0.1, None, 0.3, 0.4), strict=True)), 30.0)
    if "large" in study.settings.names:
        fill(study, "large", dict(zip(CELLS[:4], (0.4, 0.3, 0.2, 0.1), strict=True)), 500.0)
    return gather(study)


def test_small_and_large_are_compared_under_the_same_training(tmp_path: Path) -> None:
    def compared(**changes: object) -> list[tuple[str, str, str, float | None]]:
        settings = new_study(tmp_path / repr(changes), **changes).settings
        return [(p.letter, p.first, p.second, p.published) for p in pairs(settings)]

    proxy = ("b", "cached", "end-to-end", 0.47)
    whole = ("", "cached", "large", None)
    assert compared() == [("a", "end-to-end", "large", 0.36), proxy, whole]
    assert compared(large_cached=True) == [("a", "cached", "large", 0.36), proxy]
    assert compared(large_backbone="none") == [proxy]


def test_coefficients_are_over_the_cells_with_both_scores(tmp_path: Path) -> None:
    small_large, proxy, whole = result(tmp_path).agreements
    assert proxy.cells == ("1x1", "r6", "r18", "pool")
    assert proxy.first == (0.1, 0.2, 0.4, 0.5)
    assert proxy.second == (0.2, 0.1, 0.3, 0.4)
    assert proxy.correlation.count == 4
    expected = stats.spearmanr(proxy.first, proxy.second).statistic
    assert proxy.correlation.spearman.value == pytest.approx(expected)
    assert small_large.cells == ("1x1", "r6", "r18")
    assert whole.correlation.kendall.value == pytest.approx(-1)


def test_costs_failures_and_what_is_missing(tmp_path: Path) -> None:
    found = result(tmp_path)
    assert found.expenses == {
        "cached": Expense(2.0, 2, 10.0),
        "end-to-end": Expense(30.0, 2, 150.0),
        "large": Expense(500.0, 2, 2000.0),
    }
    assert found.failures == ("r12, end-to-end: out of memory: Not enough memory.",)
    assert found.missing == 3 * 31 - 14
    assert list(found.cells)[:5] == list(CELLS)


def test_a_study_without_trials_has_no_coefficients(tmp_path: Path) -> None:
    found = gather(new_study(tmp_path))
    assert found.missing == 3 * SETTINGS.cells
    assert found.expenses == {}
    assert all(isnan(a.correlation.spearman.value) for a in found.agreements)
