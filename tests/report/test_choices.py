"""What good cells choose against bad ones."""

from __future__ import annotations

from atrous.report.leaderboard import Preference, usage
from atrous.search.ledger import Scored, scored
from tests.report.runs import baselines, measured


def _as(name: str, number: int, score: float, origin: str = "uniform") -> Scored:
    return scored([measured(number, score, origin, name)])[0]


def _choice(choices: tuple[Preference, ...], group: str, name: str) -> Preference:
    return next(c for c in choices if group in c.group and name in c.name)


def test_best_quarter_against_worst_quarter() -> None:
    good = [_as("top1", n, 0.5 + n / 100, "near 1" if n else "uniform") for n in range(4)]
    middle = [_as("aspp", 10 + n, 0.45) for n in range(8)]
    bad = [_as("aspp", 20 + n, 0.3) for n in range(4)]
    found = usage([*bad, *good, *middle])
    assert found is not None
    assert (found.count, found.derived) == (4, 3)
    separable = _choice(found.choices, "Operation", "3×3")
    assert (separable.good.hits, separable.good.total) == (20, 20)
    assert (separable.bad.hits, separable.bad.total) == (12, 20)
    grid = _choice(found.choices, "Grid", "whole map")
    assert grid.good.percent is None
    assert grid.bad.percent == 100
    chain = _choice(found.choices, "Longest chain", "1 branch")
    assert (chain.good.hits, chain.bad.hits, chain.bad.total) == (0, 4, 4)


def test_baselines_are_left_out() -> None:
    cells = [_as("top1", n, 0.3) for n in range(2, 8)]
    found = usage([*scored(baselines()), *cells])
    assert found is not None
    assert _choice(found.choices, "Operation", "1×1").good.hits == 0


def test_five_cells_are_too_few() -> None:
    assert usage([_as("top1", n, 0.3) for n in range(5)]) is None
    assert usage([_as("top1", n, 0.3) for n in range(6)]) is not None
