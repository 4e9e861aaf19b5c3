"""How the best score grew."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from random import Random

import pytest

from atrous.core.trial import Rung
from atrous.report.curves import against_seconds, against_trials, expectation, expected_best, levels
from atrous.search.ledger import scored
from atrous.search.run import ranked
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


def test_three_scores_by_hand() -> None:
    one, two, three = expected_best([0.3, 0.1, 0.2])
    assert one.trials == 1
    assert one.mean == pytest.approx(0.2)
    assert two.mean == pytest.approx((0.2 + 0.3 + 0.3) / 3)
    assert three.mean == pytest.approx(0.3)
    assert (three.low, three.high) == (0.3, 0.3)


def test_equals_enumeration_of_all_draws() -> None:
    rng = Random(4)
    scores = [rng.random() for _ in range(9)]
    for point in expected_best(scores):
        best = sorted(map(max, combinations(scores, point.trials)))
        assert point.mean == pytest.approx(sum(best) / len(best))
        for share, found in ((0.1, point.low), (0.9, point.high)):
            reached = [value for value in best if value <= found]
            below = [value for value in best if value < found]
            assert len(below) / len(best) < share - 1e-12 <= len(reached) / len(best)


def test_equal_scores_leave_no_band() -> None:
    assert {(p.low, p.mean, p.high) for p in expected_best([0.5] * 4)} == {(0.5, 0.5, 0.5)}


def test_many_scores_are_thinned_and_stay_exact() -> None:
    points = expected_best([float(k) for k in range(1, 5001)])
    assert len(points) == 200
    assert (points[0].trials, points[-1].trials) == (1, 5000)
    for point in points:
        assert point.mean == pytest.approx(point.trials * 5001 / (point.trials + 1))


def test_no_score_gives_nothing() -> None:
    assert expected_best([]) == []


def test_scores_of_different_rungs_are_not_compared() -> None:
    low, high = measured(2, 0.9), measured(3, 0.2)
    job = replace(high.outcome.job, rung=Rung(1, 99), resume=Rung(0, 9))
    entries = [low, high, replace(high, outcome=replace(high.outcome, job=job))]
    curve = against_trials(entries)
    assert curve is not None
    assert curve.best == (0.2,)
    assert expectation(entries) is None
    assert [(found.trial.number, found.standing) for found in scored(entries)] == [
        (2, (0, 0.9)),
        (3, (1, 0.2)),
    ]
    assert [found.trial.number for found in ranked(entries)] == [3, 2]
