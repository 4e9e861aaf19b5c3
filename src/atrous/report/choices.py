"""Which operations, rates and inputs good cells use, against bad ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from atrous.models.branch import (
    FEATURES,
    Cell,
    Convolution1x1,
    GridPooling,
    Operation,
    SeparableConvolution,
)
from atrous.report.tree import depths
from atrous.report.words import DASH, TIMES
from atrous.spaces.dpc import decode
from atrous.trial import Measured

LEAST = 3
OPERATION, INPUT, DEPTH = "Operation", "Input", "Longest chain"
VERTICAL, HORIZONTAL, GRID = f"Vertical rate of 3{TIMES}3", f"Horizontal rate of 3{TIMES}3", "Grid"
SMALL, MEDIUM, LARGE = f"small (1{DASH}6)", f"medium (9{DASH}12)", f"large (15{DASH}21)"
ORDER: dict[str, tuple[str, ...]] = {
    OPERATION: (f"1{TIMES}1", f"3{TIMES}3", "pooling"),
    INPUT: ("feature map", "earlier branch"),
    VERTICAL: (SMALL, MEDIUM, LARGE),
    HORIZONTAL: (SMALL, MEDIUM, LARGE),
    GRID: (f"whole map (1{TIMES}1)", "finer"),
}

Observed = tuple[str, str]


@dataclass(frozen=True)
class Share:
    """`hits` of `total` branches or cells."""

    hits: int
    total: int

    @property
    def percent(self) -> float | None:
        """The share, or `None` if there is nothing to share."""
        return 100 * self.hits / self.total if self.total else None


@dataclass(frozen=True)
class Choice:
    """How often good and bad cells made a choice, among all their choices of one group."""

    group: str
    name: str
    good: Share
    bad: Share


@dataclass(frozen=True)
class Usage:
    """`cells` good cells against as many bad ones; `derived` good ones were proposed near
    another, so that they share branches with it."""

    cells: int
    derived: int
    choices: tuple[Choice, ...]


def usage(measured: Sequence[Measured]) -> Usage | None:
    """The best quarter of the proposed cells, at least 3, against the worst quarter.

    `None` if there are too few cells for two groups.
    """
    proposed = [outcome for outcome in measured if not outcome.trial.is_baseline]
    ordered = sorted(proposed, key=lambda outcome: (-outcome.score, outcome.trial.number))
    cells = max(LEAST, len(ordered) // 4)
    if len(ordered) < 2 * cells:
        return None
    good, bad = ordered[:cells], ordered[-cells:]
    derived = sum(not outcome.trial.is_uniform for outcome in good)
    return Usage(cells, derived, _choices(_observe(good), _observe(bad)))


def observed(cell: Cell) -> list[Observed]:
    """Every choice that a cell makes, as (group, name)."""
    found: list[Observed] = [(DEPTH, _branches(max(depths(cell))))]
    for branch in cell:
        source = "feature map" if branch.input == FEATURES else "earlier branch"
        found += [(INPUT, source), *_of_operation(branch.operation)]
    return found


def _of_operation(operation: Operation) -> list[Observed]:
    match operation:
        case Convolution1x1():
            return [(OPERATION, f"1{TIMES}1")]
        case SeparableConvolution(rate=(vertical, horizontal)):
            bands = [(VERTICAL, _band(vertical)), (HORIZONTAL, _band(horizontal))]
            return [(OPERATION, f"3{TIMES}3"), *bands]
        case GridPooling(grid=grid):
            name = ORDER[GRID][0] if grid == (1, 1) else "finer"
            return [(OPERATION, "pooling"), (GRID, name)]


def _band(rate: int) -> str:
    return SMALL if rate <= 6 else MEDIUM if rate <= 12 else LARGE


def _branches(number: int) -> str:
    return "1 branch" if number == 1 else f"{number} branches"


def _observe(outcomes: Sequence[Measured]) -> Counter[Observed]:
    cells = (decode(outcome.trial.architecture.genotype) for outcome in outcomes)
    return Counter(choice for cell in cells for choice in observed(cell))


def _choices(good: Counter[Observed], bad: Counter[Observed]) -> tuple[Choice, ...]:
    depths = tuple(sorted({name for group, name in good | bad if group == DEPTH}, key=_leading))
    groups = {**ORDER, DEPTH: depths}
    return tuple(
        Choice(group, name, _share(good, group, name), _share(bad, group, name))
        for group, names in groups.items()
        for name in names
        if _total(good, group) + _total(bad, group)
    )


def _leading(words: str) -> int:
    return int(words.split()[0])


def _share(counter: Counter[Observed], group: str, name: str) -> Share:
    return Share(counter[(group, name)], _total(counter, group))


def _total(counter: Counter[Observed], group: str) -> int:
    return sum(number for (other, _), number in counter.items() if other == group)
