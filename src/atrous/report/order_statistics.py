"""The best of n trials of a random search, told from the N trials that were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LOW, HIGH = 0.1, 0.9
POINTS = 200
ROUNDING = 1e-12

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BestOf:
    """The best score of `trials` uniform trials: its expectation, and its 10 % and 90 % points."""

    trials: int
    mean: float
    low: float
    high: float


def expected_best(scores: Sequence[float]) -> list[BestOf]:
    """The best of n, for n = 1 .. len(scores), when n scores are drawn without replacement.

    Exact for the scores given: of N sorted scores, the k-th is the best of n with probability
    C(k-1, n-1) / C(N, n). Of more than 200 sizes n, 200 evenly spaced ones are computed. Towards
    n = N every draw holds the same scores, so the band closes, whatever the true uncertainty.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    total = len(ordered)
    sizes = np.unique(np.linspace(1, total, min(total, POINTS)).round().astype(int))
    return [_best_of(ordered, int(n)) for n in sizes] if total else []


def _best_of(ordered: Floats, n: int) -> BestOf:
    weights = _weights(len(ordered), n)
    below = np.cumsum(weights)
    low, high = (_quantile(ordered, below, share) for share in (LOW, HIGH))
    return BestOf(n, float(weights @ ordered), low, high)


def _quantile(ordered: Floats, below: Floats, share: float) -> float:
    """The smallest score that the best does not exceed in a `share` of cases."""
    place = int(np.searchsorted(below, share - ROUNDING))
    return float(ordered[min(place, len(ordered) - 1)])


def _weights(total: int, n: int) -> Floats:
    """The probability that the k-th of `total` sorted scores is the best of n, for every k.

    From the largest down: each is the one above times (k - n) / (k - 1), which never overflows.
    """
    k = np.arange(total, 1, -1, dtype=np.float64)
    ratios = np.maximum(k - n, 0) / (k - 1)
    return (n / total * np.concatenate(([1.0], np.cumprod(ratios))))[::-1]
