"""The best of a search ranked again by end-to-end fine-tuning, beside how the proxy ranked them.

Chen et al. 2018, section 4.3 and figure 4b.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING

from atrous.core.drawing import BLUE, MUTED, ORANGE, draw, label_ends
from atrous.core.statistics import Correlation, correlate
from atrous.core.trial import TRIAL, Failed, Trial
from atrous.core.words import decimal, interval, ordinal, quantity, score_name
from atrous.report.figures import HEIGHT, WIDTH, shortened
from atrous.report.leaderboard import Row, leaderboard
from atrous.search.ledger import Entry, alike, scored
from atrous.search.run import Run, ranked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from atrous.core.drawing import Label

FEWEST = 2
"""With fewer pairs there is no order to agree on."""
CAVEAT = "Among the best alone, scores differ little and ranks agree less than over all cells."


@dataclass(frozen=True)
class Standing:
    """How a trial of the search stood there: its score, and its rank among the proposed cells,
    which a baseline has none of."""

    score: float
    rank: int | None


@dataclass(frozen=True)
class Again:
    """A cell that was ranked again.

    `rank` counts proposed cells alone, so that it compares with the proxy's; `trial` is the number
    of the search's trial; `row` holds the second score and the cost of the cell. `proxy` is
    `None` where the search has no score.
    """

    rank: int | None
    trial: int | None
    proxy: Standing | None
    row: Row

    @property
    def name(self) -> str:
        """The trial of the search, or the baseline's name."""
        return self.row.name if self.row.is_baseline else f"trial {self.trial}"


@dataclass(frozen=True)
class SecondRanking:
    """Both rankings, best of the second first; `failed` tells of cells without a second score.

    `left` is how many are still to be ranked again; `found` how many proposed cells have a score in
    the search. `score_name` names the search's score, `second_name` the second one.
    `correlation` is over proposed cells alone, `None` for fewer than two.
    """

    cells: tuple[Again, ...]
    failed: tuple[str, ...]
    left: int
    found: int
    score_name: str
    second_name: str
    correlation: Correlation | None

    @property
    def is_correlated(self) -> bool:
        """Whether there are coefficients: enough cells, and not all alike."""
        return self.correlation is not None and not isnan(self.correlation.spearman.value)

    @property
    def winner(self) -> Again | None:
        """The best proposed cell."""
        return next((cell for cell in self.cells if not cell.row.is_baseline), None)

    @property
    def baselines(self) -> list[Again]:
        """The baselines, best first."""
        return [cell for cell in self.cells if cell.row.is_baseline]


def second_ranking(run: Run) -> SecondRanking:
    """The re-ranking of a run so far; empty if none was begun. Raises `AtrousError`."""
    entries, again, asked = run.ledger().entries(), run.reranked(), run.asked_again()
    cells = tuple(_cells(leaderboard(run, again), _standing(entries)))
    return SecondRanking(
        cells=cells,
        failed=tuple(_failed(again)),
        left=len({*asked.trials} - {_trial(e.trial) for e in again}) if asked else 0,
        found=len(alike(ranked(entries))),
        score_name=score_name(run.score),
        second_name=score_name(run.second_score),
        correlation=_correlation(cells),
    )


def pairs(cells: Sequence[Again]) -> list[tuple[float, float]]:
    """Standing score and second score of each proposed cell that has both."""
    return [
        (cell.proxy.score, cell.row.score)
        for cell in cells
        if cell.proxy and not cell.row.is_baseline
    ]


def winner_words(second: SecondRanking) -> str:
    """Where the winner stood under the proxy; empty while there is none."""
    winner = second.winner
    if winner is None or winner.proxy is None or winner.proxy.rank is None:
        return ""
    return (
        f"The best after fine-tuning, {winner.name}, stood {ordinal(winner.proxy.rank)} of "
        f"{second.found} under the proxy. The paper's winner stood 12th."
    )


def agreement_words(second: SecondRanking) -> str:
    """How far the two rankings agree."""
    found = second.correlation
    if found is None:
        return "Too few cells have both scores to say whether the rankings agree."
    if not second.is_correlated:
        return "All cells have the same score in one of the rankings, so they cannot agree."
    return (
        f"Over {quantity(found.count, 'cell')}, Spearman's rho is {interval(found.spearman)} and "
        f"Kendall's tau {interval(found.kendall)}, with 95 % bootstrap intervals. {CAVEAT}"
    )


def left_words(second: SecondRanking) -> str:
    """A sentence on what is still to be ranked again, if anything is."""
    return f"{quantity(second.left, 'cell')} still to be ranked again." if second.left else ""


def _standing(entries: Sequence[Entry]) -> dict[str, Standing]:
    """How every measured trial of the search stood, under the label that its re-ranking has; with
    several rungs, those on the highest alone."""
    proposed = {
        found.trial.label: Standing(found.score, rank)
        for rank, found in enumerate(alike(ranked(entries)), 1)
    }
    return proposed | {
        found.trial.label: Standing(found.score, None)
        for found in scored(entries)
        if found.trial.is_baseline
    }


def _cells(rows: Sequence[Row], standing: dict[str, Standing]) -> Iterator[Again]:
    rank = 0
    for row in rows:
        rank += not row.is_baseline
        yield Again(
            rank=None if row.is_baseline else rank,
            trial=_trial(row.found.trial),
            proxy=standing.get(row.found.trial.label),
            row=row,
        )


def _trial(again: Trial) -> int | None:
    """The number that a re-ranked trial has in the search."""
    return again.origin.parents[0] if again.origin.kind == TRIAL else None


def _failed(entries: Sequence[Entry]) -> Iterator[str]:
    for entry in entries:
        if isinstance(each := entry.outcome, Failed):
            yield f"No second score for {each.trial.label}: {each.reason.value}: {each.error}"


def _correlation(cells: Sequence[Again]) -> Correlation | None:
    found = pairs(cells)
    if len(found) < FEWEST:
        return None
    proxy, second = zip(*found, strict=True)
    return correlate(proxy, second)


TALL = HEIGHT + 60


def scatter_figure(second: SecondRanking) -> str | None:
    """Every cell with both scores, the winner and the baselines named at their height; `None` if
    no cell has both."""
    both = [cell for cell in second.cells if cell.proxy]
    if not both:
        return None

    def paint(axes: Axes) -> None:
        labels = [_paint(axes, cell, cell is second.winner) for cell in both]
        axes.margins(0.08)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(f"proxy {second.score_name}")
        axes.set_ylabel(f"{second.second_name} after fine-tuning")
        label_ends(axes, [label for label in labels if label])

    name = second.second_name
    title = f"{name} after fine-tuning against the proxy's score, of {len(both)} cells"
    return draw("ranked-again", title, (WIDTH, TALL), (62, 42, 132, 14), paint)


def _paint(axes: Axes, cell: Again, is_winner: bool) -> Label | None:
    """Draws a cell; gives its label if it has one."""
    proxy = cell.proxy.score if cell.proxy else float("nan")
    score = cell.row.score
    if cell.row.is_baseline:
        axes.plot(proxy, score, "D", color=ORANGE, markersize=7)
        _guide(axes, proxy, score)
        return score, f"{shortened(cell.name)} {decimal(score)}", ORANGE
    axes.plot(proxy, score, "o", color=BLUE, markersize=6, alpha=0.75)
    if not is_winner:
        return None
    axes.plot(proxy, score, "o", markerfacecolor="none", markeredgecolor=BLUE, markersize=13)
    _guide(axes, proxy, score)
    return score, f"{shortened(cell.name)} {decimal(score)}", BLUE


def _guide(axes: Axes, proxy: float, score: float) -> None:
    """A thin line from a marker to where its name stands."""
    axes.annotate(
        "",
        (1, score),
        xycoords=("axes fraction", "data"),
        xytext=(proxy, score),
        textcoords="data",
        arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.7, "linestyle": (0, (2, 3))},
    )
