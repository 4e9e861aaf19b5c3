"""The result of a study: scores by cell, rank correlations, and what each setting costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from atrous.core.architecture import Architecture
from atrous.core.config import CACHED, END_TO_END, LARGE
from atrous.core.stage_config import FidelityConfig
from atrous.core.statistics import Correlation, correlate
from atrous.core.trial import Failed, Measured
from atrous.search.ledger import Entry
from atrous.stages.fidelity.study import Study, some_cells

Scores = dict[str, float]
"""The main value by the name of a cell."""


@dataclass(frozen=True)
class Pair:
    """Two settings whose ranks are compared.

    `letter` is the panel of Chen et al. 2018, figure 3, that asks the same, and `published` the
    rank correlation printed there; both are empty where the paper asks nothing of the kind.
    """

    letter: str
    first: str
    second: str
    published: float | None


@dataclass(frozen=True)
class Agreement:
    """How far two settings agree: the scores of the cells that have one under both, in pairs."""

    pair: Pair
    cells: tuple[str, ...]
    first: tuple[float, ...]
    second: tuple[float, ...]
    correlation: Correlation


@dataclass(frozen=True)
class Expense:
    """The cost of a setting: the median `seconds` of a cell, `workers` at a time, and how long all
    cells have taken, pauses left out."""

    seconds: float
    workers: int
    elapsed: float


@dataclass(frozen=True)
class StudyResult:
    """A study in numbers. `scores` and `expenses` are by setting, `failures` names cells' ends."""

    settings: FidelityConfig
    cells: dict[str, Architecture]
    scores: dict[str, Scores]
    agreements: tuple[Agreement, ...]
    expenses: dict[str, Expense]
    failures: tuple[str, ...]

    @property
    def missing(self) -> int:
        """How many trials have not ended."""
        ended = sum(len(scores) for scores in self.scores.values()) + len(self.failures)
        return len(self.cells) * len(self.scores) - ended


def pairs(settings: FidelityConfig) -> tuple[Pair, ...]:
    """Returns the pairs: small with large, cached with end-to-end, the proxy with the whole.

    Small and large are compared under the same way of training, so that the size alone differs.
    """
    cached = Pair("b", CACHED, END_TO_END, 0.47)
    if LARGE not in settings.names:
        return (cached,)
    if settings.large_cached:
        return (Pair("a", CACHED, LARGE, 0.36), cached)
    return (Pair("a", END_TO_END, LARGE, 0.36), cached, Pair("", CACHED, LARGE, None))


def gather(study: Study) -> StudyResult:
    """The result so far."""
    entries, settings = study.entries(), study.settings
    scores = {name: scores_of(found) for name, found in entries.items()}
    expenses = {
        name: Expense(median(seconds), study.computes[name].workers, max(e.elapsed for e in found))
        for name, found in entries.items()
        if (seconds := [e.outcome.seconds for e in found if isinstance(e.outcome, Measured)])
    }
    return StudyResult(
        settings,
        some_cells(settings.cells),
        scores,
        tuple(agreement(pair, scores, settings.seed) for pair in pairs(settings)),
        expenses,
        tuple(
            f"{cell_name(e)}, {name}: {e.outcome.reason.value}: {e.outcome.error}"
            for name, found in entries.items()
            for e in found
            if isinstance(e.outcome, Failed)
        ),
    )


def agreement(pair: Pair, scores: Mapping[str, Scores], seed: int) -> Agreement:
    """The correlation over the cells that have a score under both settings."""
    first, second = scores[pair.first], scores[pair.second]
    both = tuple(name for name in first if name in second)
    x, y = tuple(first[name] for name in both), tuple(second[name] for name in both)
    return Agreement(pair, both, x, y, correlate(x, y, seed))


def scores_of(entries: Sequence[Entry]) -> dict[str, float]:
    """The main value by the name of the cell."""
    return {cell_name(e): e.score for e in entries if e.score is not None}


def cell_name(entry: Entry) -> str:
    """The name under which the entry's cell was proposed."""
    return entry.trial.origin.label
