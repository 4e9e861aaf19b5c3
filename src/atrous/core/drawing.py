"""Drawings as SVG: the colours of a page, and lines, boxes and words in them. Lengths are pixels.

Each colour has a CSS variable that overrides it on the page. Hues are from Okabe and Ito's palette,
which people of every colour vision tell apart, darkened where they colour text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import Locator


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


def labelled(
    middle: float, y: float, size: tuple[float, float], lines: Sequence[str], fill: str, edge: str
) -> str:
    """A box of a (width, height), its top at y, with a line of bold words, and lines below it."""
    (width, height), alone = size, len(lines) == 1
    first = y + height / 2 + (4 if alone else -2)
    words = [text(middle, first, lines[0], INK, "600")]
    words += [text(middle, first + 15, line, INK) for line in lines[1:]]
    return rectangle(middle - width / 2, y, width, height, fill, edge) + "".join(words)


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


POINTS = 72
FONT, LINE = 11.5, 14.0
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": FONT,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}
NOTHING = dict.fromkeys(("Creator", "Date", "Format", "Type"))

Size = tuple[float, float]
Frame = tuple[float, float, float, float]
Label = tuple[float, str, str]
"""The value that a label stands at, its words and their colour."""


def draw(name: str, title: str, size: Size, frame: Frame, paint: Callable[[Axes], None]) -> str:
    """An SVG element of `size` (width, height) in pixels.

    `name` is unique on the page; `title` says what is seen, for those who do not see it; `frame`
    is the axes' (left, bottom, right, top) margin in pixels; `paint` fills the axes.
    """
    import matplotlib
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {**STYLE, "svg.hashsalt": name}
    width, height = size
    left, bottom, right, top = frame
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(style)
        figure = Figure(figsize=(width / POINTS, height / POINTS), dpi=POINTS)
        span = (1 - (left + right) / width, 1 - (bottom + top) / height)
        paint(figure.add_axes((left / width, bottom / height, *span)))
        text = StringIO()
        figure.savefig(text, format="svg", metadata=NOTHING)
    return _inline(text.getvalue(), name, title, size)


def _inline(svg: str, name: str, title: str, size: Size) -> str:
    """Cuts the file's head and metadata, and makes ids, fonts and colours those of the page."""
    body = svg[svg.index("<defs>") if "<defs>" in svg else svg.index("<g ") : svg.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    # Figures share one page, and with it one space of ids.
    body = re.sub(r'\bid="', f'id="{name}-', body.replace("xlink:href", "href"))
    body = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", body)
    body = re.sub(r"font: (\S+) [^;\"]*", r"font-size: \1", body)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    for colour in VARIABLES:
        body = body.replace(f": {colour}", f": {css(colour)}")
    head = f'<svg role="img" viewBox="0 0 {size[0]:g} {size[1]:g}" aria-label="{escape(title)}">'
    return f"{head}<title>{escape(title)}</title>{body}</svg>"


def dress_lines(axes: Axes, x: str, y: str, labels: Sequence[Label], whole: bool = True) -> None:
    """Names the axes of lines that begin at 0, and the lines at their ends; `whole`: x counts."""
    axes.set_xlim(left=0)
    axes.margins(y=0.08)
    if whole:
        axes.xaxis.set_major_locator(whole_numbers())
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    label_ends(axes, labels)


def label_ends(axes: Axes, labels: Sequence[Label]) -> None:
    """Writes each line's name right of the axes at its height, moved apart where they collide."""
    bottom, top = axes.get_ylim()
    height = axes.get_window_extent().height
    wanted = [(value - bottom) / (top - bottom) * height for value, _, _ in labels]
    for place, (_, text, colour) in zip(spread(wanted, LINE, height), labels, strict=True):
        axes.annotate(
            text,
            (1, place / height),
            xycoords="axes fraction",
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            annotation_clip=False,
        )


def whole_numbers() -> Locator:
    """Ticks at whole numbers alone."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins="auto", integer=True, steps=[1, 2, 5, 10])


def spread(wanted: Sequence[float], gap: float, extent: float) -> list[float]:
    """Places as near as possible to the wanted ones, in the same order and `gap` apart.

    Labels that collide are moved together about their common centre; all stay within
    0 .. `extent` if they fit there.
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    groups: list[tuple[float, list[int]]] = []
    for index in order:
        centre, members = wanted[index], [index]
        # Those that would touch become one group about their common centre, which may then touch
        # the group before it.
        while groups and centre - groups[-1][0] < gap * (len(members) + len(groups[-1][1])) / 2:
            _, before = groups.pop()
            members = before + members
            centre = _clamped(sum(wanted[i] for i in members) / len(members), members, gap, extent)
        groups.append((_clamped(centre, members, gap, extent), members))
    places = [0.0] * len(wanted)
    for centre, members in groups:
        for position, index in enumerate(members):
            places[index] = centre + gap * (position - (len(members) - 1) / 2)
    return places


def _clamped(centre: float, members: Sequence[int], gap: float, extent: float) -> float:
    half = gap * (len(members) - 1) / 2
    return min(max(centre, half), max(half, extent - half))
