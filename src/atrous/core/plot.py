"""A matplotlib drawing as an SVG element that stands in an HTML page.

Text stays text in the page's own font, colours follow the page, nothing is fetched, and the same
drawing gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any

from atrous.core.svg import FAINT, INK, MUTED, VARIABLES, css

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import Locator

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
    body = re.sub(r'\bid="', f'id="{name}-', body.replace("xlink:href", "href"))
    body = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", body)
    body = re.sub(r"font: (\S+) [^;\"]*", r"font-size: \1", body)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    for colour in VARIABLES:
        body = body.replace(f": {colour}", f": {css(colour)}")
    head = f'<svg role="img" viewBox="0 0 {size[0]:g} {size[1]:g}" aria-label="{escape(title)}">'
    return f"{head}<title>{escape(title)}</title>{body}</svg>"


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
