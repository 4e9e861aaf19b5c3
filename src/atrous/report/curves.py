"""How the best score grew, against trials and seconds, and what random search would reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atrous.search.ledger import Entry, scored
from atrous.search.run import Run

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


@dataclass(frozen=True)
class Curve:
    """A quantity that starts at `x[0]` and steps to `best[i]` at `x[i]`; it holds until `end`."""

    x: tuple[float, ...]
    best: tuple[float, ...]
    end: float


@dataclass(frozen=True)
class Expectation:
    """The expected best of a random search, from `of` uniform trials. In their run a trial took
    `pace` seconds, workers side by side, and `before` baselines ran first."""

    points: tuple[BestOf, ...]
    of: int
    pace: float
    before: int


@dataclass(frozen=True)
class Level:
    """The score of a baseline."""

    name: str
    score: float


def against_trials(entries: Sequence[Entry]) -> Curve | None:
    """The best score after n proposed trials, failed ones counted and baselines not."""
    proposed = [e for e in sorted(entries, key=_number) if not e.trial.is_baseline]
    places = [(float(n), e) for n, e in enumerate(proposed, 1)]
    return _curve(places)


def against_seconds(entries: Sequence[Entry]) -> Curve | None:
    """The best proposed score after so many seconds of search, those of baselines counted."""
    ordered = sorted(entries, key=lambda entry: (entry.elapsed, entry.trial.number))
    return _curve([(entry.elapsed, entry) for entry in ordered])


def expectation(entries: Sequence[Entry]) -> Expectation | None:
    """The expected best of a random search, from the uniform trials among the entries; `None` where
    rungs chose which of them were trained to the end."""
    if any(entry.outcome.job.resume for entry in entries):
        return None
    scores = [found.score for found in scored(entries) if found.trial.is_uniform]
    if len(scores) < 2:
        return None
    pace = max(entry.elapsed for entry in entries) / len(entries)
    before = sum(entry.trial.is_baseline for entry in entries)
    return Expectation(tuple(expected_best(scores)), len(scores), pace, before)


def levels(entries: Sequence[Entry]) -> list[Level]:
    """The baselines that have a score, best first."""
    found = [
        Level(each.trial.label, each.score) for each in scored(entries) if each.trial.is_baseline
    ]
    return sorted(found, key=lambda level: -level.score)


def _number(entry: Entry) -> int:
    return entry.trial.number


def _curve(places: Sequence[tuple[float, Entry]]) -> Curve | None:
    x: list[float] = []
    best: list[float] = []
    top = max((entry.outcome.job.rung.level for _, entry in places), default=0)
    for place, entry in places:
        if entry.score is None or entry.trial.is_baseline or entry.outcome.job.rung.level < top:
            continue
        if not best or entry.score > best[-1]:
            x.append(place)
            best.append(entry.score)
    return Curve(tuple(x), tuple(best), places[-1][0]) if best else None


@dataclass(frozen=True)
class OtherRun:
    """Another run and its entries."""

    run: Run
    entries: Sequence[Entry]


@dataclass(frozen=True)
class RandomLine:
    """Random search beside the run: `of` uniform trials of the run `source`.

    After `expected.trials`, at most half of them (beyond, the band closes), it is `expected` to
    reach so much; the run had reached `reached`. `is_own` if the uniform trials are the run's own.
    """

    source: str
    is_own: bool
    of: int
    expected: BestOf
    reached: float


def random_line(run: Run, entries: Sequence[Entry], against: OtherRun | None) -> RandomLine | None:
    """Random search beside a run, from the uniform trials of `against`, else from the run's own;
    `None` where there are too few."""
    expected = expectation(against.entries if against else entries)
    curve = against_trials(entries)
    if expected is None or curve is None:
        return None
    limit = min(curve.end, expected.of // 2)
    point = [p for p in expected.points if p.trials <= limit][-1]
    reached = [b for x, b in zip(curve.x, curve.best, strict=True) if x <= point.trials]
    return RandomLine(
        source=against.run.path.name if against else run.path.name,
        is_own=against is None,
        of=expected.of,
        expected=point,
        reached=reached[-1] if reached else curve.best[0],
    )
