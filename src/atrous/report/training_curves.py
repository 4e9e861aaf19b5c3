"""The selection mIoU of networks while they were trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from atrous.core.plot import draw, label_ends, whole_numbers
from atrous.core.svg import BLUE, GREEN, INK, MUTED, ORANGE
from atrous.core.words import decimal
from atrous.report.figures import HEIGHT, shortened
from atrous.report.networks import Network

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from atrous.core.plot import Label

BROAD = 500.0
COLOURS = (BLUE, ORANGE, GREEN, INK, MUTED)
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)))


def curves_figure(networks: Sequence[Network]) -> str | None:
    """Selection mIoU against training steps, a line each; `None` where nothing was scored."""
    scored = [network for network in networks if network.trained.scores]
    if not scored:
        return None

    def paint(axes: Axes) -> None:
        labels = [_paint(axes, network, place) for place, network in enumerate(scored)]
        axes.set_xlim(left=0)
        axes.margins(y=0.08)
        axes.xaxis.set_major_locator(whole_numbers())
        axes.set_xlabel("training steps")
        axes.set_ylabel("mIoU on the selection images")
        label_ends(axes, labels)

    title = "mIoU on the selection images against training steps"
    return draw("training-curves", title, (BROAD, HEIGHT), (62, 42, 146, 14), paint)


def _paint(axes: Axes, network: Network, place: int) -> Label:
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
