"""The front of a run that wants several things: the trials that no other surpasses by all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atrous.core.architecture import key_of
from atrous.core.drawing import BLUE, FAINT, MUTED, ORANGE, draw, label_ends
from atrous.core.statistics import Point, front, hypervolume
from atrous.core.words import amount, decimal, score_name
from atrous.search.ledger import Scored, alike
from atrous.search.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from atrous.report.leaderboard import Row

WIDTH, HEIGHT = 450.0, 300.0
SCALES = {"memory": (2.0**20, "MiB"), "latency": (1.0, "ms")}
"""Units in which costs are drawn, others as they are."""


@dataclass(frozen=True)
class Reference:
    """The amount of a cost that a front is measured against, and whose it is."""

    name: str
    most: float
    whose: str


@dataclass(frozen=True)
class Front:
    """The rows on the front, the best score first, the `others` of the same rung, and the
    hypervolume: the share that the front surpasses of the box from a score of 0 at the references
    to a score of 1 that costs nothing. `score` and the references have the names of values."""

    score: str
    references: tuple[Reference, ...]
    rows: tuple[Row, ...]
    others: tuple[Row, ...]
    volume: float

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all that is wanted."""
        return (self.score, *(each.name for each in self.references))

    @property
    def words(self) -> str:
        """The front in two sentences."""
        *others, last = map(score_name, self.names)
        named = f"{', '.join(others)} and {last}"
        total = len(self.rows) + len(self.others)
        against = ", ".join(
            f"{score_name(each.name)} {amount(each.name, each.most)} ({each.whose})"
            for each in self.references
        )
        return (
            f"On the front of {named} are {len(self.rows)} of {total}, which none surpasses. Its "
            f"hypervolume is {decimal(self.volume)} of 1, against {score_name(self.score)} 0 and "
            f"{against}."
        )

    def cells(self, row: Row) -> list[str]:
        """All that is wanted of a row, in words."""
        score = decimal(row.objective(self.score))
        return [score, *(amount(name, row.found.values[name]) for name in self.names[1:])]


def points_of(run: Run, measured: Sequence[Scored]) -> dict[int, Point]:
    """All that is wanted of the trials on the highest rung, by number, larger for better; empty
    where a score is all."""
    wanted = run.goal.wanted
    costs = {*map(key_of, run.goal.costs)}
    known = [each for each in alike(measured) if costs <= each.values.keys()]
    return {e.trial.number: tuple(f(e.values) for f in wanted) for e in known} if wanted else {}


def on_front(run: Run, measured: Sequence[Scored]) -> set[int]:
    """The numbers of the trials on the front; none where a score is all."""
    points = points_of(run, measured)
    best = front(points.values())
    return {number for number, point in points.items() if point in best}


def front_of(run: Run, rows: Sequence[Row]) -> Front | None:
    """The front of a run with these rows; `None` where a score is all, or nothing was measured."""
    points = points_of(run, [row.found for row in rows])
    if not points:
        return None
    placed = [row for row in rows if row.number in points]
    references = tuple(_reference(run, name, placed) for name in run.goal.costs)
    scale = (1.0, *(each.most or 1.0 for each in references))
    shares = [tuple(v / s for v, s in zip(p, scale, strict=True)) for p in points.values()]
    best = sorted((row for row in placed if row.on_front), key=lambda row: points[row.number])
    return Front(
        score=run.goal.score,
        references=references,
        rows=tuple(reversed(best)),
        others=tuple(row for row in placed if not row.on_front),
        volume=hypervolume(shares, (0.0, *(-1.0 for _ in references))),
    )


def _reference(run: Run, name: str, rows: Iterable[Row]) -> Reference:
    """A limit if there is one, or a target, else the most that a trial costs."""
    key = key_of(name)
    for whose, limits in (("the limit", run.goal.limits), ("the target", run.goal.targets)):
        if found := [limit.most for limit in limits if limit.name == name]:
            return Reference(key, min(found), whose)
    return Reference(key, max(row.found.values[key] for row in rows), "the dearest")


def front_figure(found: Front) -> str:
    """All trials by their first cost and their score: those on the front, the others, baselines."""
    key = found.names[1]
    unit, word = SCALES.get(key, (1.0, ""))

    def place(row: Row) -> tuple[float, float]:
        return row.found.values[key] / unit, row.objective(found.score)

    def paint(axes: Axes) -> None:
        for row in (*found.others, *found.rows):
            colour = BLUE if row.on_front else FAINT
            edge = ORANGE if row.is_baseline else MUTED
            axes.plot(
                *place(row), "D" if row.is_baseline else "o", color=colour, markeredgecolor=edge
            )
        if len(found.references) == 1:
            line = sorted(map(place, found.rows))
            axes.step(*zip(*line, strict=True), where="post", color=BLUE, linewidth=1.2)
        named = [row for row in (*found.rows, *found.others) if row.is_baseline]
        axes.margins(0.08)
        label_ends(axes, [(place(row)[1], row.name[:16], ORANGE) for row in named])
        axes.set_xlabel(" ".join((score_name(key), f"({word})" if word else "")).rstrip())
        axes.set_ylabel(score_name(found.score))

    what = f"{score_name(found.score)} against {score_name(key)}"
    title = f"{what}, {len(found.rows)} trials on the front"
    return draw("front", title, (WIDTH, HEIGHT), (58, 42, 116, 14), paint)
