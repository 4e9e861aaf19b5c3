"""Rank correlations and other statistics with bootstrap intervals, and means with theirs.

The bootstrap resamples weights of pairs, thousands at a time; scipy's would rank every resample
anew, one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import nan, sqrt
from statistics import mean, stdev
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

RESAMPLES = 2000
CONFIDENCE = 0.95
FEWEST = 3
"""With fewer points an interval says nothing."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean of `count` values, or another statistic of them, with its 95 % confidence interval."""

    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Coefficient:
    """A rank correlation in [-1, 1] with its 95 % bootstrap percentile interval.

    NaN where it is not defined: the value if one of the measures is the same everywhere, the bounds
    of fewer than three points too.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Correlation:
    """Spearman's rho and Kendall's tau-b over `count` pairs."""

    spearman: Coefficient
    kendall: Coefficient
    count: int


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean and its interval by Student's t; without bounds for a single value, NaN for none."""
    count = len(values)
    if count < 2:
        return Interval(mean(values) if values else nan, nan, nan, count)
    margin = float(student.ppf((1 + CONFIDENCE) / 2, count - 1)) * stdev(values) / sqrt(count)
    return Interval(mean(values), mean(values) - margin, mean(values) + margin, count)


PART = 250
"""Resamples that are in memory at a time."""


def bootstrap(statistic: Callable[[Array], Array], count: int, seed: int = 0) -> Interval:
    """The statistic of `count` things with its bootstrap percentile interval (Efron 1979).

    `statistic` gives a number for each row of weights [rows, count], which say how often a thing is
    there. Without bounds for fewer than three things.
    """
    whole = float(statistic(np.ones((1, count)))[0])
    weights = _resamples(count, seed)
    if not len(weights):
        return Interval(whole, nan, nan, count)
    parts = (weights[n : n + PART] for n in range(0, len(weights), PART))
    found = np.concatenate([statistic(part) for part in parts])
    low, high = np.quantile(found, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(whole, float(low), float(high), count)


@dataclass(frozen=True)
class Replicates:
    """The scores of several candidates, each with the same seeds.

    `means` and their half-widths of 95 % intervals, `margin` (Student's t, the variance between
    seeds pooled over candidates). `chances` are the probabilities that each is the best of them:
    by draws from the posterior of their means under flat priors. Both `chances` and `differs` go by
    what is left of the variance without what a seed does to all candidates, as in pairs: of two,
    that is the paired t-test.
    """

    means: tuple[float, ...]
    margin: float
    chances: tuple[float, ...]
    _residual: float
    _freedom: int
    _seeds: int

    def differs(self, choices: int = 1, sides: int = 2) -> float:
        """The difference of two means that chance exceeds in one case of 20, where one of them is
        the best of so many `choices` (Bonferroni)."""
        beyond = 1 - (1 - CONFIDENCE) / (sides * choices)
        quantile = float(student.ppf(beyond, self._freedom))
        return quantile * self._residual * sqrt(2 / self._seeds)


DRAWS = 20_000
"""From the posterior of the means."""


def replicates(scores: Sequence[Sequence[float]]) -> Replicates:
    """Returns what scores [candidates, seeds] tell; at least two of both."""
    table = np.asarray(scores, np.float64)
    count, seeds = table.shape
    if count < 2 or seeds < 2:
        raise ValueError(f"{count} candidates with {seeds} seeds are too few to be compared")
    means = table.mean(1)
    within = sqrt(float(table.var(1, ddof=1).mean()))
    margin = float(student.ppf((1 + CONFIDENCE) / 2, count * (seeds - 1))) * within / sqrt(seeds)
    rest = table - means[:, None] - table.mean(0)[None] + table.mean()
    freedom = (count - 1) * (seeds - 1)
    residual = sqrt(float((rest**2).sum()) / freedom)
    rng = np.random.default_rng(0)
    spread = residual * np.sqrt(freedom / rng.chisquare(freedom, DRAWS) / seeds)
    drawn = means + spread[:, None] * rng.standard_normal((DRAWS, count))
    won = np.bincount(drawn.argmax(1), minlength=count) / DRAWS
    return Replicates(tuple(means), margin, tuple(won), residual, freedom, seeds)


def chance_margin(scores: Sequence[float]) -> float | None:
    """The margin by which the best of these may lie above another of their kind by chance, exceeded
    in one case of 20 where they differ by noise alone; `None` for fewer than three.

    Student's t of a difference of two, for as many choices of the best as there are (Bonferroni).
    """
    count = len(scores)
    if count < FEWEST:
        return None
    return float(student.ppf(1 - (1 - CONFIDENCE) / count, count - 1)) * sqrt(2) * stdev(scores)


def correlate(first: Sequence[float], second: Sequence[float], seed: int = 0) -> Correlation:
    """The rank correlations of two measures, given in the same order.

    Pairs are resampled 2,000 times with replacement, the same way for both coefficients. A resample
    in which one of the measures is the same everywhere has no coefficient and is left out. Memory
    grows with the square of the number of pairs: meant for up to some thousand. Raises
    `ValueError` for measures of different lengths or numbers that are not finite.
    """
    signs = _signs(first), _signs(second)
    count = len(first)
    if count != len(second):
        raise ValueError(f"{count} values of one measure, {len(second)} of the other")
    weights = _resamples(count, seed)
    whole = np.ones((1, count))
    return Correlation(
        _coefficient(_spearman(*signs, whole), _spearman(*signs, weights)),
        _coefficient(_kendall(*signs, whole), _kendall(*signs, weights)),
        count,
    )


def _signs(values: Sequence[float]) -> Array:
    """At [i, j] the sign of value i less value j: all that ranks depend on."""
    array = np.asarray(values, np.float64)
    if not np.isfinite(array).all():
        raise ValueError("ranks need finite numbers")
    return np.sign(array[:, None] - array[None, :])


def _resamples(count: int, seed: int) -> Array:
    """How often each pair was drawn, [RESAMPLES, count]; none for too few pairs."""
    if count < FEWEST:
        return np.empty((0, count))
    rng = np.random.default_rng(seed)
    # Drawing pairs with replacement is drawing how often each is there: ranks then need no sorting.
    return rng.multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(np.float64)


def _spearman(first: Array, second: Array, weights: Array) -> Array:
    """Spearman's rho of each row of weights, [rows].

    The weighted sum of signs is twice a point's rank, ties averaged, less twice the mean rank; rho
    is the linear correlation of those.
    """
    ranks = weights @ first.T, weights @ second.T
    return _ratio(
        (weights * ranks[0] * ranks[1]).sum(axis=1),
        (weights * ranks[0] ** 2).sum(axis=1),
        (weights * ranks[1] ** 2).sum(axis=1),
    )


def _kendall(first: Array, second: Array, weights: Array) -> Array:
    """Kendall's tau-b of each row of weights, [rows]: concordant less discordant pairs over the
    geometric mean of the pairs that are not tied in one measure and in the other."""
    pairs = (first * second, np.abs(first), np.abs(second))
    return _ratio(*(((weights @ pair) * weights).sum(axis=1) for pair in pairs))


def _ratio(product: Array, first: Array, second: Array) -> Array:
    """`product` over the geometric mean of the others; NaN where one of these is 0."""
    scale = np.sqrt(first * second)
    defined: npt.NDArray[Any] = scale > 0
    ratio = np.full(len(product), nan)
    ratio[defined] = np.clip(product[defined] / scale[defined], -1, 1)
    return ratio


def _coefficient(whole: Array, resampled: Array) -> Coefficient:
    found = resampled[np.isfinite(resampled)]
    if not len(found):
        return Coefficient(float(whole[0]), nan, nan)
    low, high = np.quantile(found, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Coefficient(float(whole[0]), float(low), float(high))


Point = tuple[float, ...]
"""Several numbers of one thing, each larger for better."""


def surpasses(one: Point, other: Point) -> bool:
    """Whether the first is nowhere worse than the other, and somewhere better."""
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))


def front(points: Iterable[Point]) -> set[Point]:
    """The points that none surpasses."""
    found: list[Point] = []
    # What comes later in this order surpasses nothing that came before.
    for point in sorted(set(points), reverse=True):
        if not any(surpasses(other, point) for other in found):
            found.append(point)
    return set(found)


def hypervolume(points: Iterable[Point], reference: Point) -> float:
    """The volume of all that some point surpasses and that surpasses the reference (Zitzler and
    Thiele 1998), in slices along the last number. Points that do not surpass it count nothing."""
    inside = [p for p in points if all(a > b for a, b in zip(p, reference, strict=True))]
    if len(reference) == 1:
        return max((p[0] - reference[0] for p in inside), default=0.0)
    ordered = sorted(inside, key=lambda p: p[-1], reverse=True)
    below = [*(p[-1] for p in ordered), reference[-1]][1:]
    return sum(
        (p[-1] - low) * hypervolume((q[:-1] for q in ordered[: k + 1]), reference[:-1])
        for k, (p, low) in enumerate(zip(ordered, below, strict=True))
        if p[-1] > low
    )
