"""The record of an architecture: a point of a space, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

Genotype = tuple[int, ...]
"""One integer per decision, in the order in which the space's grammar asks for them."""


@dataclass(frozen=True)
class Architecture:
    """A point of a search space.

    `space` is the name under which the space is found again (`dpc`, `dpc-3`, ...); `genotype` holds
    the choice taken at each decision. `str()` gives the short form, `dpc:0.17.1.3`, that every
    command accepts.
    """

    space: str
    genotype: Genotype

    @property
    def family(self) -> str:
        """The name of its space without sizes: `dpc` of `dpc-3`."""
        return self.space.partition("-")[0]

    def __str__(self) -> str:
        return f"{self.space}:{'.'.join(map(str, self.genotype))}"
