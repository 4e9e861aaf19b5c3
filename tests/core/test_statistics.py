"""Rank correlations: against scipy, with and without ties, and where they are not defined."""

from __future__ import annotations

from itertools import product
from math import isnan, nan
from random import Random

import numpy as np
import pytest
from scipy import stats

from atrous.core.statistics import (
    RESAMPLES,
    Coefficient,
    Correlation,
    correlate,
    front,
    hypervolume,
    mean_interval,
    replicates,
)
from tests.cases import each


def noisy(count: int, noise: float, seed: int, digits: int = 9) -> tuple[list[float], list[float]]:
    """Two measures of the same things; few digits make ties."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=count)
    pair = (np.round(truth + noise * rng.normal(size=count), digits) for _ in range(2))
    first, second = (values.tolist() for values in pair)
    return first, second


@each("digits", [9, 0])
@each("count", [2, 3, 31, 200])
def test_the_values_are_scipys(count: int, digits: int) -> None:
    first, second = noisy(count, 0.7, count, digits)
    found = correlate(first, second)
    assert found.spearman.value == pytest.approx(stats.spearmanr(first, second).statistic)
    assert found.kendall.value == pytest.approx(stats.kendalltau(first, second).statistic)
    assert found.count == count


@pytest.mark.parametrize("digits", [9, 0])
def test_the_bounds_are_quantiles_of_scipys_values_over_resamples(digits: int) -> None:
    first, second = noisy(7, 0.7, 1, digits)
    found = correlate(first, second, seed=4)
    rng = np.random.default_rng(4)
    drawn = rng.multinomial(7, np.full(7, 1 / 7), RESAMPLES)
    spearman, kendall = [], []
    for times in drawn:
        one, two = np.repeat(first, times), np.repeat(second, times)
        if len(set(one)) > 1 and len(set(two)) > 1:
            spearman.append(stats.spearmanr(one, two).statistic)
            kendall.append(stats.kendalltau(one, two).statistic)
    for coefficient, values in ((found.spearman, spearman), (found.kendall, kendall)):
        expected = np.quantile(values, [0.025, 0.975])
        assert (coefficient.low, coefficient.high) == pytest.approx(expected)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rho = 0.5
    truth = 6 / np.pi * np.arcsin(rho / 2)  # Spearman's rho of a bivariate normal
    rng = np.random.default_rng(0)
    held = 0
    for trial in range(100):
        pairs = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], 60)
        found = correlate(pairs[:, 0].tolist(), pairs[:, 1].tolist(), seed=trial).spearman
        held += found.low <= truth <= found.high
    assert 88 <= held <= 99


def test_more_points_narrow_the_interval() -> None:
    few, many = (correlate(*noisy(count, 0.7, 3)).spearman for count in (10, 300))
    assert many.high - many.low < (few.high - few.low) / 3
    assert -1 <= few.low <= few.value <= few.high <= 1


def test_the_same_order_is_1_and_the_opposite_is_minus_1() -> None:
    up = [0.1, 0.2, 0.4, 0.8, 1.6]
    assert correlate(up, [10 * value**3 for value in up]) == Correlation(
        Coefficient(1, 1, 1), Coefficient(1, 1, 1), 5
    )
    assert correlate(up, up[::-1]) == Correlation(
        Coefficient(-1, -1, -1), Coefficient(-1, -1, -1), 5
    )


def test_the_seed_alone_decides_the_resamples() -> None:
    pair = noisy(20, 0.7, 2)
    assert correlate(*pair, seed=5) == correlate(*pair, seed=5)
    one, other = correlate(*pair, seed=5), correlate(*pair, seed=6)
    assert one.spearman.value == other.spearman.value
    assert one.spearman.low != other.spearman.low


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_points_have_no_bounds(count: int) -> None:
    values = [0.1 * number for number in range(count)]
    found = correlate(values, values)
    for coefficient in (found.spearman, found.kendall):
        assert isnan(coefficient.low)
        assert isnan(coefficient.high)
        assert coefficient.value == pytest.approx(1 if count == 2 else nan, nan_ok=True)


def test_a_measure_that_is_the_same_everywhere_has_no_rank_correlation() -> None:
    found = correlate([0.5] * 8, [0.1 * number for number in range(8)])
    for coefficient in (found.spearman, found.kendall):
        assert all(isnan(n) for n in (coefficient.value, coefficient.low, coefficient.high))


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([1.0, 2.0], [1.0], "2 values of one measure, 1 of the other"),
        ([1.0, nan], [1.0, 2.0], "finite"),
        ([1.0, 2.0], [float("inf"), 2.0], "finite"),
    ],
)
def test_what_cannot_be_ranked_is_refused(
    first: list[float], second: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        correlate(first, second)


def test_intervals_of_means_are_those_of_scipy() -> None:
    for count in (2, 3, 10):
        values = np.random.default_rng(count).normal(0.5, 0.1, count).tolist()
        found = mean_interval(values)
        low, high = stats.t.interval(
            0.95, count - 1, loc=np.mean(values), scale=stats.sem(values, ddof=1)
        )
        assert (found.mean, found.low, found.high) == pytest.approx((np.mean(values), low, high))
        assert found.count == count


def test_one_value_has_no_bounds() -> None:
    found = mean_interval([0.5])
    assert (found.mean, found.count) == (0.5, 1)
    assert isnan(found.low)
    assert isnan(found.high)


def test_no_value_has_no_mean() -> None:
    found = mean_interval([])
    assert found.count == 0
    assert isnan(found.mean)


def test_equal_values_have_a_narrow_interval() -> None:
    found = mean_interval([0.25, 0.25, 0.25])
    assert (found.mean, found.low, found.high) == (0.25, 0.25, 0.25)


def test_of_two_candidates_the_difference_is_that_of_pairs() -> None:
    one, other = [0.42, 0.421, 0.419], [0.4, 0.405, 0.398]
    found = replicates([one, other])
    paired = mean_interval([a - b for a, b in zip(one, other, strict=True)])
    assert found.means[0] - found.means[1] == pytest.approx(paired.mean)
    assert found.differs() == pytest.approx(paired.mean - paired.low)
    assert found.differs(choices=3) > found.differs() > found.differs(sides=1)
    with pytest.raises(ValueError, match="too few"):
        replicates([one])


def test_the_best_is_so_often_the_best_as_its_probability_says() -> None:
    """True means spread as a seed does; half of the noise is what a seed does to all."""
    rng, told, won = np.random.default_rng(0), [], []
    for _ in range(300):
        truth = rng.normal(0, 1, 5)
        scores = truth[:, None] + rng.normal(0, 1, 3) + rng.normal(0, 1, (5, 3))
        found = replicates(scores.tolist())
        leads = int(np.argmax(found.means))
        assert sum(found.chances) == pytest.approx(1)
        told.append(found.chances[leads])
        won.append(leads == int(np.argmax(truth)))
    assert np.mean(won) == pytest.approx(np.mean(told), abs=0.06)
    sure = np.array(told) > 0.8
    assert np.mean(np.array(won)[sure]) > 0.75


def test_a_front_holds_what_nothing_surpasses() -> None:
    points = [(3.0, 1.0), (2.0, 2.0), (2.0, 1.0), (1.0, 3.0), (1.0, 1.0), (3.0, 1.0)]
    assert front(points) == {(3.0, 1.0), (2.0, 2.0), (1.0, 3.0)}
    assert front([]) == set()


def test_a_hypervolume_is_what_boxes_cover_together() -> None:
    """Of one box, of three that overlap, and in three dimensions by counting unit cubes."""
    assert hypervolume([(0.5, 0.5)], (0.0, 0.0)) == 0.25
    assert hypervolume([(3.0, 1.0), (2.0, 2.0), (1.0, 3.0), (9.0, 0.0)], (0.0, 0.0)) == 6
    rng = Random(0)
    points = [tuple(float(rng.randrange(6)) for _ in range(3)) for _ in range(12)]
    cubes = [
        corner
        for corner in product(range(6), repeat=3)
        if any(all(a < b for a, b in zip(corner, point, strict=True)) for point in points)
    ]
    assert hypervolume(points, (0.0, 0.0, 0.0)) == len(cubes)
