"""How the best score grew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from atrous.report.curves import against_seconds, against_trials, expectation, levels
from tests.report.runs import baselines, failed, measured

ENTRIES = [
    *baselines(),
    measured(2, 0.30),
    failed(3),
    measured(4, 0.25),
    measured(5, 0.35, "near 2"),
]


def test_failed_trials_count_and_baselines_do_not() -> None:
    curve = against_trials(ENTRIES)
    assert curve is not None
    assert (curve.x, curve.best, curve.end) == ((1, 4), (0.30, 0.35), 4)


def test_seconds_are_those_of_the_search() -> None:
    curve = against_seconds(ENTRIES)
    assert curve is not None
    assert (curve.x, curve.best, curve.end) == ((19.5, 39.0), (0.30, 0.35), 39.0)


def test_seconds_follow_the_order_in_which_trials_ended() -> None:
    late, early = measured(2, 0.4), measured(3, 0.3)
    swapped = [replace(late, elapsed=50.0), replace(early, elapsed=40.0)]
    curve = against_seconds(swapped)
    assert curve is not None
    assert (curve.x, curve.best) == ((40.0, 50.0), (0.3, 0.4))


def test_without_a_proposed_score_there_is_no_curve() -> None:
    assert against_trials([*baselines(), failed(2)]) is None
    assert against_seconds([]) is None


def test_expectation_reads_uniform_trials_alone() -> None:
    expected = expectation(ENTRIES)
    assert expected is not None
    assert (expected.of, expected.before) == (2, 2)
    assert expected.pace == pytest.approx(39.0 / 6)
    assert [p.mean for p in expected.points] == pytest.approx([0.275, 0.30])


def test_one_uniform_trial_expects_nothing() -> None:
    assert expectation([*baselines(), measured(2, 0.3), measured(3, 0.4, "near 2")]) is None


def test_levels_are_named_and_sorted() -> None:
    assert [(level.name, level.score) for level in levels(ENTRIES)] == [
        ("dpc:top1", 0.4241),
        ("dpc:aspp", 0.4187),
    ]
