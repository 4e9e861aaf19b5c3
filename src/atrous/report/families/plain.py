"""How architectures of any space are shown: by their decisions."""

from __future__ import annotations

from atrous.core.architecture import Architecture
from atrous.spaces import find_space
from atrous.spaces.view import Observed, View


def words(architecture: Architecture) -> str:
    """Its plain text in a line."""
    text = find_space(architecture.space).text(architecture.genotype)
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def observed(architecture: Architecture) -> list[Observed]:
    """Every decision with the number of its choice."""
    decision = find_space(architecture.space).decision
    return [
        (decision(position).capitalize(), str(choice))
        for position, choice in enumerate(architecture.genotype)
    ]


PLAIN = View(
    noun="architecture",
    reading="",
    shared="architectures",
    words=words,
    observed=observed,
    order={},
)
