"""What stands on the page of a run, gathered from its ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from atrous.ledger import Entry
from atrous.models.branch import Cell
from atrous.report import figures
from atrous.report.choices import Usage, usage
from atrous.report.curves import against_seconds, against_trials, expectation, levels
from atrous.report.diagram import diagram_width, draw_cell
from atrous.report.leaderboard import Row, failures, leaderboard
from atrous.run import Run
from atrous.spaces import find_space
from atrous.spaces.dpc import decode
from atrous.trial import Measured

BEST = 3
ORDINALS = ("Best", "Second", "Third")


@dataclass(frozen=True)
class Compared:
    """Another run and its entries."""

    run: Run
    entries: Sequence[Entry]


@dataclass(frozen=True)
class Card:
    """A cell to be drawn; `svg` is `width` pixels wide at its natural size."""

    title: str
    row: Row
    svg: str
    width: int


@dataclass(frozen=True)
class ClassLine:
    """The IoU of one class per card, in [0, 1]; `None` where the class did not appear."""

    name: str
    values: tuple[float | None, ...]

    @property
    def best(self) -> float | None:
        """The largest value, if there is one and it is not all alike."""
        known = [value for value in self.values if value is not None]
        return max(known) if known and max(known) > min(known) else None


@dataclass(frozen=True)
class Figures:
    """SVG elements; `None` where there is nothing to draw."""

    trials: str | None
    seconds: str | None
    distribution: str | None
    weights: str | None


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


@dataclass(frozen=True)
class Content:
    """Everything the page shows, before it is put in words."""

    run: Run
    data: str
    space_title: str
    rows: Sequence[Row]
    entries: Sequence[Entry]
    cards: Sequence[Card]
    classes: Sequence[ClassLine]
    figures: Figures
    origins: dict[str, int]
    usage: Usage | None
    random: RandomLine | None
    against: str | None
    failures: str

    @property
    def found(self) -> list[Row]:
        """The measured trials that the search proposed, best first."""
        return [row for row in self.rows if not row.is_baseline]

    @property
    def baselines(self) -> list[Row]:
        """The measured baselines, best first."""
        return [row for row in self.rows if row.is_baseline]

    @property
    def failed(self) -> int:
        """How many trials ended without a score."""
        return len(self.entries) - len(self.rows)

    @property
    def elapsed(self) -> float:
        """Seconds of search."""
        return max((entry.elapsed for entry in self.entries), default=0.0)


def gather(run: Run, entries: Sequence[Entry], against: Compared | None = None) -> Content:
    """Everything the page of a run shows; `against` is drawn beside it."""
    rows = leaderboard(run, entries)
    measured = [row.outcome for row in rows]
    cards = _cards(rows)
    return Content(
        run=run,
        data=PurePath(run.settings.data).name or run.settings.data,
        space_title=find_space(run.settings.space).title,
        rows=rows,
        entries=entries,
        cards=cards,
        classes=_classes(run, cards),
        figures=_figures(run, entries, measured, against),
        origins={kind: len(scores) for kind, scores in figures.by_origin(_found(measured)).items()},
        usage=usage(measured),
        random=_random(run, entries, against),
        against=against.run.path.name if against else None,
        failures=failures(entries),
    )


def _found(measured: Sequence[Measured]) -> list[Measured]:
    return [outcome for outcome in measured if not outcome.trial.is_baseline]


def _cell(outcome: Measured) -> Cell:
    return decode(outcome.trial.architecture.genotype)


def _cards(rows: Sequence[Row]) -> list[Card]:
    found = [row for row in rows if not row.is_baseline][:BEST]
    titled = [*zip(ORDINALS, found, strict=False)]
    titled += [(row.name, row) for row in rows if row.is_baseline]
    return [_card(title, row) for title, row in titled]


def _card(title: str, row: Row) -> Card:
    cell = _cell(row.outcome)
    return Card(title, row, draw_cell(cell), diagram_width(cell))


def _classes(run: Run, cards: Sequence[Card]) -> list[ClassLine]:
    if not cards:
        return []
    columns = zip(*(card.row.outcome.metrics.class_iou for card in cards), strict=True)
    return [ClassLine(n, v) for n, v in zip(run.context.classes, columns, strict=True)]


def _figures(
    run: Run, entries: Sequence[Entry], measured: Sequence[Measured], against: Compared | None
) -> Figures:
    found, score = _found(measured), run.settings.score
    if not found:
        return Figures(None, None, None, None)
    over_trials, over_seconds = (_progress(entries, against, x) for x in ("trials", "seconds"))
    norms = found[0].metrics.branch_norms
    cell = _cell(found[0])
    return Figures(
        trials=figures.progress_figure(over_trials, figures.trials_axis(), score),
        seconds=figures.progress_figure(over_seconds, figures.seconds_axis(over_seconds), score),
        distribution=figures.distribution_figure(found, levels(entries), score),
        weights=figures.weights_figure(cell, norms) if len(norms) == len(cell) else None,
    )


def _progress(entries: Sequence[Entry], against: Compared | None, x: str) -> figures.Progress:
    grow = against_trials if x == "trials" else against_seconds
    curve = grow(entries)
    if curve is None:
        raise ValueError("no proposed trial has a score")
    source = against.entries if against else entries
    other = grow(against.entries) if against else None
    return figures.Progress(curve, other, expectation(source), levels(entries))


def _random(run: Run, entries: Sequence[Entry], against: Compared | None) -> RandomLine | None:
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
