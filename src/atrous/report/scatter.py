"""Proxy score against the score after fine-tuning, as in figure 4b of Chen et al. 2018."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atrous.core.plot import draw, label_ends
from atrous.core.svg import BLUE, MUTED, ORANGE
from atrous.core.words import decimal
from atrous.report.figures import HEIGHT, WIDTH, shortened
from atrous.report.rerank import Again, SecondRanking

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from atrous.core.plot import Label

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
        axes.set_ylabel("mIoU after fine-tuning")
        label_ends(axes, [label for label in labels if label])

    title = f"mIoU after fine-tuning against the proxy's score, of {len(both)} cells"
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
