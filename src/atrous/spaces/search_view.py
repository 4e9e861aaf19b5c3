"""A search by gradients as a family shows it: lines over its steps, and maps of where it stands.

These are data; the report draws them. Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from atrous.relax.history import Snapshot

Dash = str | tuple[int, tuple[float, float]]
"""A line's dashes as matplotlib has them."""
SOLID: Dash = "-"
DASHED: Dash = (0, (5, 2))
DOTTED: Dash = (0, (1, 1.5))
Place = tuple[int, int]


@dataclass(frozen=True)
class Line:
    """A value for each snapshot, drawn over the steps."""

    name: str
    colour: str
    dash: Dash
    values: Sequence[float]


@dataclass(frozen=True)
class Chart:
    """Lines in one frame.

    `name` is unique on the page; `title` says what is seen, for those who do not see it; `label` is
    that of the values, `words` a sentence below; `ending` formats a line's last value.
    """

    name: str
    title: str
    label: str
    lines: Sequence[Line]
    words: str
    ending: str = " {:.3f}"


@dataclass(frozen=True)
class Grid:
    """Probabilities by (row, column), rows from the top, columns `wide` pixels each.

    `chosen` are those that were decoded, and `parted` the rows above which a line parts groups;
    `name`, `title` and `words` are as for a `Chart`.
    """

    name: str
    title: str
    words: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: Mapping[Place, float]
    chosen: AbstractSet[Place]
    parted: Sequence[int]
    wide: float


@dataclass(frozen=True)
class RelaxationView:
    """How a search by gradients is shown.

    `line` says in a few words, on the terminal, what a snapshot would decode; `facts` are names and
    values on a page. `draw` gives an SVG element of where a snapshot stands, and `reading` tells,
    in HTML, how that is read, and whether decoding is neutral. `charts` show how the search came
    there, `grids` what a snapshot leans to.
    """

    line: Callable[[Snapshot], str]
    facts: Callable[[Snapshot], Sequence[tuple[str, str]]]
    draw: Callable[[Snapshot], str]
    reading: Callable[[bool], str]
    charts: Callable[[Sequence[Snapshot]], Sequence[Chart]]
    grids: Callable[[Snapshot], Sequence[Grid]]
