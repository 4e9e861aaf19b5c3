"""The record of an architecture: a point of a space, as plain numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
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

    def __mul__(self, times: int) -> Cost:
        return Cost(self.parameters * times, self.multiply_adds * times)


COUNTS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
COSTS: Mapping[str, Mapping[str, float]] = {
    "parameters": COUNTS,
    "multiply-adds": COUNTS,
    "memory": {"MB": 1e6, "GB": 1e9, "MiB": 2.0**20, "GiB": 2.0**30},
    "latency": {"ms": 1.0, "s": 1e3},
}
"""Costs, which are to be small, with the units of their amounts: counts, bytes, milliseconds."""
COUNTED = ("parameters", "multiply-adds")
"""Costs that a space counts, of what is searched; the others are those of a whole network."""
AMOUNT = r"(?P<most>\d+(?:\.\d+)?(?:[eE]\d{1,2})?)(?P<unit>[A-Za-z]*)"
OF_NETWORKS = tuple(name for name in COSTS if name not in COUNTED)
SIZE = r"(?:@(?P<height>[1-9]\d{0,4})x(?P<width>[1-9]\d{0,4}))?"


def key_of(name: str) -> str:
    """Returns the name that a cost or a score has among measured values."""
    return name.replace("-", "_")


@dataclass(frozen=True)
class Limit:
    """The most of a cost, by its `name`; of what a network needs for an image, of `size` (height,
    width), or `None` for the canvas of the search."""

    name: str
    most: float
    size: tuple[int, int] | None = None

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Returns the limit of a text such as `latency<=12ms@512x1024`, whose name may be left out
        where the unit tells it (`12ms`); raises `ValueError`."""
        found = re.fullmatch(rf"(?:(?P<name>[a-z-]+)<=)?{AMOUNT}{SIZE}", text)
        unit = found["unit"] if found else ""
        told = [name for name, units in COSTS.items() if unit in units]
        name = found["name"] if found and found["name"] else told[0] if len(told) == 1 else ""
        if not found or name not in told or (name in COUNTED and found["height"]):
            raise ValueError(
                "expected parameters<=300k, multiply-adds<=500M, memory<=200MiB or "
                f"latency<=12ms, the last two with @512x1024 for images of that size, got {text!r}"
            )
        size = (int(found["height"]), int(found["width"])) if found["height"] else None
        return cls(name, float(found["most"]) * COSTS[name][unit], size)

    def holds(self, amount: float) -> bool:
        """Whether a cost is within the limit."""
        return amount <= self.most


def measure_of(text: str) -> tuple[str, tuple[int, int] | None]:
    """Returns the name of an objective, and the size of the images that it is of if the text says
    one: `latency@512x1024`. Whether there is such an objective, who reads it tells."""
    found = re.fullmatch(rf"(?P<name>{'|'.join(OF_NETWORKS)}){SIZE}", text)
    if not found or not found["height"]:
        return text, None
    return found["name"], (int(found["height"]), int(found["width"]))
