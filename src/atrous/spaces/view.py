"""Shows the architectures of a family: in words, drawn, counted in a report, costed in a terminal.

`View` is what a family says of itself; nothing here needs torch until a backbone is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from atrous.core.architecture import Architecture

Observed = tuple[str, str]
"""A choice: what was chosen among, and what was chosen."""


@dataclass(frozen=True)
class Drawing:
    """An SVG element, `width` pixels wide at its natural size."""

    svg: str
    width: int


def no_drawing(architecture: Architecture) -> Drawing | None:  # noqa: ARG001
    """Where a drawing would say no more than words."""
    return None


@dataclass(frozen=True)
class View:
    """How architectures are shown that are made alike.

    `noun` is what one is called, `reading` how its drawing is read. `words` spells one in a line of
    ASCII. `observed` gives every choice that one makes; `order` says which names a group has, in
    order, and those that are found beside them come after. `shared` says whose share the counts of
    choices are. `weights` is a figure of the `Metrics.branch_norms` of one, where a
    projection reads branches.
    """

    noun: str
    reading: str
    shared: str
    words: Callable[[Architecture], str]
    observed: Callable[[Architecture], list[Observed]]
    order: Mapping[str, tuple[str, ...]]
    draw: Callable[[Architecture], Drawing | None] = no_drawing
    weights: Callable[[Architecture, Sequence[float]], str | None] | None = None
