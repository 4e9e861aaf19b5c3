"""The scatter of one setting against another, as a picture that stands alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from atrous.core.plot import draw
from atrous.core.svg import BLUE, INK, MUTED, ORANGE
from atrous.core.words import decimal, interval
from atrous.stages.fidelity.cells import WHOLE
from atrous.stages.fidelity.result import Agreement
from atrous.stages.fidelity.words import setting_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 430.0, 380.0
FRAME = (64.0, 46.0, 16.0, 52.0)
FONTS = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"
PAPER = "#ffffff"


def scatter(found: Agreement, large_backbone: str) -> str:
    """The SVG file of mIoU under the first setting against mIoU under the second.

    ASPP, the cell that holds all branches, and the best cell of each setting are named.
    """
    title = f"{len(found.cells)} cells: {found.pair.first} against {found.pair.second}"

    def paint(axes: Axes) -> None:
        whole = [name == WHOLE for name in found.cells]
        colours = [ORANGE if is_whole else BLUE for is_whole in whole]
        axes.scatter(found.first, found.second, s=26, c=colours, alpha=0.85, linewidths=0, zorder=3)
        axes.margins(0.08)
        axes.set_xlabel(f"mIoU, {setting_words(found.pair.first, large_backbone)}")
        axes.set_ylabel(f"mIoU, {setting_words(found.pair.second, large_backbone)}")
        _head(axes, found)
        _name_points(axes, found)

    return _standalone(
        draw(f"{found.pair.first}-{found.pair.second}", title, (WIDTH, HEIGHT), FRAME, paint)
    )


def _head(axes: Axes, found: Agreement) -> None:
    """The coefficients above the axes, the published one beside."""
    published = found.pair.published
    beside = "" if published is None else f"; published: {decimal(published, 2)}"
    lines = (
        (f"Spearman {interval(found.correlation.spearman)}{beside}", INK, 22),
        (f"Kendall {interval(found.correlation.kendall)}", MUTED, 6),
    )
    for text, colour, height in lines:
        axes.annotate(
            text,
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, height),
            textcoords="offset points",
            color=colour,
        )


def _name_points(axes: Axes, found: Agreement) -> None:
    """Names beside a few points, towards the middle of the picture so that they fit."""
    if not found.cells:
        return
    best = {int(np.argmax(found.first)), int(np.argmax(found.second))}
    named = {k: found.cells[k] for k in sorted(best)}
    named |= {k: "ASPP" for k, name in enumerate(found.cells) if name == WHOLE}
    middle = sum(axes.get_xlim()) / 2
    for place, name in named.items():
        left = found.first[place] > middle
        axes.annotate(
            name,
            (found.first[place], found.second[place]),
            xytext=(-7 if left else 7, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            color=ORANGE if name == "ASPP" else BLUE,
        )


def _standalone(element: str) -> str:
    """An element of a page as a file: its own fonts, colours and ground, for any viewer."""
    plain = re.sub(r"var\(--[a-z-]+, (#[0-9a-f]{6})\)", r"\1", element)
    head, rest = plain.split(">", 1)
    size = f'width="{WIDTH:g}" height="{HEIGHT:g}"'
    ground = f'<rect {size} fill="{PAPER}"/>'
    start = head.replace("<svg", f'<svg xmlns="http://www.w3.org/2000/svg" {size}', 1)
    return f'{start} font-family="{FONTS}">{ground}{rest}\n'
