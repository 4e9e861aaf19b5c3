"""Uniform random search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from atrous.core.trial import UNIFORM, Origin
from atrous.strategies.strategy import Domain, Observation, Proposal, first_unseen


@dataclass(frozen=True)
class UniformSearch:
    """Every proposal is drawn uniformly from the architectures not tried before."""

    def propose(self, domain: Domain, history: Sequence[Observation], rng: Random) -> Proposal:
        """See `Strategy`."""
        return Proposal(first_unseen(lambda: domain.sample(rng), domain, history), Origin(UNIFORM))
