"""Drawings as SVG: the colours of a page, and lines, boxes and words in them. Lengths are pixels.

Each colour has a CSS variable that overrides it on the page. Hues are from Okabe and Ito's palette,
which people of every colour vision tell apart, darkened where they colour text.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

INK = "#1b2530"
MUTED = "#5b6875"
FAINT = "#d5dbe1"
BLUE = "#0a66a6"
ORANGE = "#bb4d00"
GREEN = "#00775a"
BLUE_TINT = "#dcebf7"
ORANGE_TINT = "#fbe6d6"
GREEN_TINT = "#d9f0e8"
GREY_TINT = "#eef1f4"

VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    FAINT: "faint",
    BLUE: "blue",
    ORANGE: "orange",
    GREEN: "green",
    BLUE_TINT: "blue-tint",
    ORANGE_TINT: "orange-tint",
    GREEN_TINT: "green-tint",
    GREY_TINT: "grey-tint",
}

ARROW, ROUND, BAR = 4, 7, 26


def css(colour: str) -> str:
    """The colour as a CSS value: the page's variable, or itself where there is none."""
    return f"var(--{VARIABLES[colour]}, {colour})"


@dataclass(frozen=True)
class Shapes:
    """Elements of an SVG, with the size of what they fill."""

    elements: str
    width: float
    height: float

    def svg(self, words: str) -> str:
        """An SVG element; `words` say what is seen, for those who do not see it."""
        said = escape(words)
        return (
            f'<svg role="img" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'width="{self.width:g}" font-size="12" text-anchor="middle" aria-label="{said}">'
            f"<title>{said}</title>{self.elements}</svg>"
        )


def stacked(upper: Shapes, lower: Shapes, gap: float) -> Shapes:
    """One drawing above another, both in the middle."""
    width = max(upper.width, lower.width)
    placed = (
        f'<g transform="translate({(width - shapes.width) / 2:g},{top:g})">{shapes.elements}</g>'
        for shapes, top in ((upper, 0.0), (lower, upper.height + gap))
    )
    return Shapes("".join(placed), width, upper.height + gap + lower.height)


def line(x: float, y: float, to_x: float, to_y: float) -> str:
    """A line with an arrow at its end, which is above its start."""
    return path(f"M{x:g},{y:g}V{to_y + ARROW:g}") + arrow(to_x, to_y)


def path(shape: str, colour: str = MUTED) -> str:
    """A line of any shape."""
    return f'<path d="{shape}" style="fill: none; stroke: {css(colour)}; stroke-width: 1.3"/>'


def arrow(x: float, y: float) -> str:
    """The tip of an arrow that points upwards to (x, y)."""
    wing = f"{x - ARROW:g},{y + 1.7 * ARROW:g} {x + ARROW:g},{y + 1.7 * ARROW:g}"
    return f'<polygon points="{x:g},{y:g} {wing}" style="fill: {css(MUTED)}"/>'


def bar(x: float, y: float, width: float, words: str) -> str:
    """A grey box with words in it."""
    box = rectangle(x, y, width, BAR, GREY_TINT, MUTED)
    return box + text(x + width / 2, y + BAR / 2 + 4, words, INK)


def rectangle(x: float, y: float, width: float, height: float, fill: str, edge: str) -> str:
    """A box with round corners."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{ROUND}" '
        f'style="fill: {css(fill)}; stroke: {css(edge)}; stroke-width: 1.2"/>'
    )


def text(x: float, y: float, words: str, colour: str, weight: str = "400", size: float = 12) -> str:
    """Words whose middle is at x, on a line at y."""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" font-weight="{weight}" '
        f'style="fill: {css(colour)}">{escape(words)}</text>'
    )
