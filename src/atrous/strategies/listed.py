"""A given list, in its order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from atrous.strategies.strategy import Domain, ExhaustedError, Observation, Proposal


@dataclass(frozen=True)
class Listed:
    """Proposes what is listed and was not tried; used by re-ranking, not a search of its own."""

    proposals: tuple[Proposal, ...]

    def propose(self, domain: Domain, history: Sequence[Observation], rng: Random) -> Proposal:  # noqa: ARG002
        """See `Strategy`."""
        seen = {domain.canonical(observation.genotype) for observation in history}
        for proposal in self.proposals:
            if domain.canonical(proposal.genotype) not in seen:
                return proposal
        raise ExhaustedError(f"all {len(self.proposals)} were tried")
