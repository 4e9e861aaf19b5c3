"""What a search strategy is: a pure proposal from what is known so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from atrous.core.architecture import Genotype
from atrous.core.trial import Origin

ATTEMPTS = 1000


class Domain(Protocol):
    """The numbers a strategy may ask a space for."""

    def sample(self, rng: Random) -> Genotype:
        """A genotype drawn uniformly."""

    def mutate(self, genotype: Genotype, rng: Random) -> Genotype:
        """A neighbour, drawn at random; the genotype itself if it has none."""

    @property
    def canonical(self) -> Callable[[Genotype], Genotype]:
        """One genotype for all that build the same function."""


@dataclass(frozen=True)
class Observation:
    """An earlier trial. `score` is `None` if it failed, is not finished, or may not be learnt
    from; larger is better."""

    number: int
    genotype: Genotype
    score: float | None


@dataclass(frozen=True)
class Proposal:
    """A genotype to try next, and where it comes from."""

    genotype: Genotype
    origin: Origin


class Strategy(Protocol):
    """Proposes the next genotype. Keeps no state: the same arguments give the same proposal."""

    def propose(self, domain: Domain, history: Sequence[Observation], rng: Random) -> Proposal:
        """A genotype not tried before. Raises `ExhaustedError` when none can be found."""


class ExhaustedError(Exception):
    """No genotype is left that was not tried."""


def first_unseen(
    draw: Callable[[], Genotype], domain: Domain, history: Sequence[Observation]
) -> Genotype:
    """The first draw whose function was not tried before; raises `ExhaustedError`."""
    seen = {domain.canonical(observation.genotype) for observation in history}
    for _ in range(ATTEMPTS):
        genotype = draw()
        if domain.canonical(genotype) not in seen:
            return genotype
    raise ExhaustedError(f"{ATTEMPTS} draws in a row were tried before")
