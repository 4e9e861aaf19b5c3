"""Random search beside a run, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from atrous.report.curves import against_trials, expectation
from atrous.search.ledger import Entry
from atrous.search.run import Run


@dataclass(frozen=True)
class Compared:
    """Another run and its entries."""

    run: Run
    entries: Sequence[Entry]


@dataclass(frozen=True)
class RandomLine:
    """Random search beside the run: `of` uniform trials of the run `source`.

    After `trials` trials, at most half of them (beyond, the band closes), it is expected to reach
    `mean`, and in 80 % of cases between `low` and `high`; the run had reached `reached`. `is_own`
    if the uniform trials are the run's own.
    """

    source: str
    is_own: bool
    of: int
    trials: int
    mean: float
    low: float
    high: float
    reached: float


def random_line(run: Run, entries: Sequence[Entry], against: Compared | None) -> RandomLine | None:
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
        trials=point.trials,
        mean=point.mean,
        low=point.low,
        high=point.high,
        reached=reached[-1] if reached else curve.best[0],
    )
