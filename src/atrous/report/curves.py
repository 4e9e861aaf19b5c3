"""How the best score grew, against trials and against seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from atrous.report.order_statistics import BestOf, expected_best
from atrous.search.ledger import Entry, scored


@dataclass(frozen=True)
class Curve:
    """A quantity that starts at `x[0]` and steps to `best[i]` at `x[i]`; it holds until `end`."""

    x: tuple[float, ...]
    best: tuple[float, ...]
    end: float


@dataclass(frozen=True)
class Expectation:
    """What random search is expected to reach, from `of` uniform trials. In their run a trial
    took `pace` seconds, workers side by side, and `before` baselines ran first."""

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
    """What random search is expected to reach, from the uniform trials among the entries."""
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
    for place, entry in places:
        if entry.score is None or entry.trial.is_baseline:
            continue
        if not best or entry.score > best[-1]:
            x.append(place)
            best.append(entry.score)
    return Curve(tuple(x), tuple(best), places[-1][0]) if best else None
