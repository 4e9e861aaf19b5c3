"""The gate between two stages: what it is known to do, and what a replay of it counts."""

from __future__ import annotations

from random import Random

import pytest
from benchmarks.gate import TwoStages, mended, published, replay


def stopped(spread: float, first: int, last: int, runs: int = 20) -> float:
    """The share of candidates `first` to `last` that the published gate stops, where scores are
    normal around 0.3 with this spread, relative to the mean."""
    count = 0
    for number in range(runs):
        rng = Random(number)
        passes = published(rng)
        kept = [passes(rng.gauss(0.3, 0.3 * spread)) for _ in range(last)]
        count += kept[first:].count(False)
    return count / (runs * (last - first))


@pytest.mark.parametrize(
    ("spread", "early", "middle", "late"),
    [(0.03, 0.00, 0.02, 0.04), (0.1, 0.00, 0.09, 0.11), (0.3, 0.01, 0.24, 0.25)],
)
def test_the_published_gate_stops_hardly_any_at_first(
    spread: float, early: float, middle: float, late: float
) -> None:
    assert stopped(spread, 0, 100) == pytest.approx(early, abs=0.01)
    assert stopped(spread, 300, 600) == pytest.approx(middle, abs=0.02)
    assert stopped(spread, 800, 1500) == pytest.approx(late, abs=0.02)


def test_equal_scores_all_pass() -> None:
    for passes in (published(Random(0)), mended(0.0)):
        assert all(passes(0.3) for _ in range(600))


def test_the_mended_gate_stops_what_is_below_the_median_once_it_knows_one() -> None:
    passes = mended(0.0)
    scores = [*range(10), 4, 5, 0, 9]
    assert [passes(float(score)) for score in scores] == [True] * 10 + [False, True, False, True]


def test_a_replay_counts_seconds_and_lost_bests() -> None:
    """The best of the second stage is the worst of the first, and is always stopped."""
    candidates = [TwoStages(1.0 + n, n / 100, 1.0, 3.0) for n in range(9)]
    candidates.append(TwoStages(0.0, 1.0, 1.0, 6.0))
    found = replay(candidates, lambda _: lambda score: score > 0.5, 10)
    assert (found.stopped, found.lost) == (0.1, 1.0)
    assert found.saved == pytest.approx(6 / (10 + 27 + 6))
    assert found.behind == pytest.approx(1 - 0.08)
    kept = replay(candidates, lambda _: lambda _score: True, 10)
    assert (kept.stopped, kept.saved, kept.lost, kept.behind) == (0, 0, 0, 0)
