"""The expected best of n trials."""

from __future__ import annotations

from itertools import combinations
from random import Random

import pytest

from atrous.report.order_statistics import expected_best


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
