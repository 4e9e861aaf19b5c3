"""The colours of a report, each with the CSS variable that overrides it on the page.

Hues are from Okabe and Ito's palette, which people of every colour vision tell apart, darkened
where they colour text.
"""

from __future__ import annotations

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


def css(colour: str) -> str:
    """The colour as a CSS value: the page's variable, or itself where there is none."""
    return f"var(--{VARIABLES[colour]}, {colour})"
