"""The figures of a whole run: both rankings against each other, and the training of networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from atrous.core.drawing import BLUE, GREEN, INK, MUTED, ORANGE, draw, label_ends, whole_numbers
from atrous.core.words import decimal
from atrous.report.figures import HEIGHT, WIDTH, shortened
from atrous.report.measures import TitledNetwork
from atrous.report.rerank import Again, SecondRanking

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from atrous.core.drawing import Label

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


BROAD = 500.0
COLOURS = (BLUE, ORANGE, GREEN, INK, MUTED)
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)))


def curves_figure(networks: Sequence[TitledNetwork]) -> str | None:
    """Selection mIoU against training steps, a line each; `None` where nothing was scored."""
    scored = [network for network in networks if network.trained.scores]
    if not scored:
        return None

    def paint(axes: Axes) -> None:
        labels = [_paint_scores(axes, network, place) for place, network in enumerate(scored)]
        axes.set_xlim(left=0)
        axes.margins(y=0.08)
        axes.xaxis.set_major_locator(whole_numbers())
        axes.set_xlabel("training steps")
        axes.set_ylabel("mIoU on the selection images")
        label_ends(axes, labels)

    title = "mIoU on the selection images against training steps"
    return draw("training-curves", title, (BROAD, HEIGHT), (62, 42, 146, 14), paint)


def _paint_scores(axes: Axes, network: TitledNetwork, place: int) -> Label:
    """Draws a line; gives its label, with the best score, the one that was kept."""
    scores = network.trained.scores
    colour = COLOURS[place % len(COLOURS)]
    axes.plot(
        [score.step for score in scores],
        [score.miou for score in scores],
        color=colour,
        linewidth=2,
        linestyle=DASHES[place // len(COLOURS) % len(DASHES)],
        marker="." if len(scores) < 40 else "",
    )
    best = max(scores, key=lambda score: score.miou)
    axes.plot(best.step, best.miou, "o", markerfacecolor="none", color=colour, markersize=10)
    return scores[-1].miou, f"{shortened(network.title)} {decimal(best.miou)}", colour
