"""A matplotlib drawing as an SVG element that stands in an HTML page.

Text stays text in the page's own font, colours follow the page, nothing is fetched, and the same
drawing gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any

from atrous.report.palette import FAINT, INK, MUTED, VARIABLES, css

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS = 72
FONT = 11.5
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
