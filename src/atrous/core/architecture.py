"""The record of an architecture: a point of a space, as plain numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

Genotype = tuple[int, ...]
"""One integer per decision, in the order in which the space's grammar asks for them."""

JOIN = "+"
"""Stands between the names of two spaces that one is composed of."""


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
        return JOIN.join(part.partition("-")[0] for part in self.space.split(JOIN))

    def __str__(self) -> str:
        return f"{self.space}:{'.'.join(map(str, self.genotype))}"

    @classmethod
    def parse(cls, text: object) -> Architecture:
        """Returns the architecture of a short form; raises `ValueError`.

        Whether there is such a space, and such a genotype in it, the space tells.
        """
        if isinstance(text, cls):
            return text
        space, _, choices = str(text).partition(":")
        if not space or not all(choice.isdecimal() for choice in choices.split(".")):
            raise ValueError(f"expected a genotype, such as space:0.17.1.3, got {text!r}")
        return cls(space, tuple(map(int, choices.split("."))))


ArchitectureText = Annotated[
    Architecture, BeforeValidator(Architecture.parse), PlainSerializer(str, return_type=str)
]
"""An architecture that a record spells in its short form."""


@dataclass(frozen=True)
class Cost:
    """Counts for one image."""

    parameters: int
    multiply_adds: int

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.parameters + other.parameters, self.multiply_adds + other.multiply_adds)


@dataclass(frozen=True)
class Limit:
    """The most of one of a cost's counts, by its `name`."""

    name: str
    most: float

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Returns the limit of a text such as `multiply_adds<=1e9`; raises `ValueError`."""
        found = re.fullmatch(r"(parameters|multiply_adds)<=(\d+(?:\.\d+)?(?:[eE]\d{1,2})?)", text)
        if not found:
            raise ValueError(f"expected parameters<=300000 or multiply_adds<=1e9, got {text!r}")
        return cls(found[1], float(found[2]))

    def holds(self, cost: Cost) -> bool:
        """Whether a cost is within the limit."""
        return bool(getattr(cost, self.name) <= self.most)
