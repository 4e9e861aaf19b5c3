"""Proposals that learn from nothing: uniform, and a given list in its order."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from atrous.core.trial import UNIFORM, Origin
from atrous.strategies.strategy import Domain, ExhaustedError, Known, Proposal, first_unseen


def uniform(domain: Domain, history: Known, rng: Random) -> Proposal:
    """Proposes what is drawn uniformly from the architectures not tried before."""
    return Proposal(first_unseen(lambda: domain.sample(rng), domain, history), Origin(UNIFORM))


@dataclass(frozen=True)
class Listed:
    """Proposes what is listed and was not tried.

    If `beside`, uniform proposals follow, with which the listed are to be compared: so a
    differentiable search has what it decoded measured. Otherwise that is all: so the best of a
    search are ranked again.
    """

    proposals: tuple[Proposal, ...]
    beside: bool = False

    def __call__(self, domain: Domain, history: Known, rng: Random) -> Proposal:
        """See `Proposer`."""
        for proposal in self.proposals:
            if not history.seen(domain.canonical(proposal.genotype)):
                return proposal
        if self.beside:
            return uniform(domain, history, rng)
        raise ExhaustedError(f"all {len(self.proposals)} were tried")
