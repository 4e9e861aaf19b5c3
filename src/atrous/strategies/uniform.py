"""Proposals that learn from nothing: uniform, also after what is listed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from atrous.core.trial import UNIFORM, Origin
from atrous.strategies.strategy import Domain, Known, Proposal, first_unseen


def uniform(domain: Domain, history: Known, rng: Random) -> Proposal:
    """Proposes what is drawn uniformly from the architectures not tried before."""
    return Proposal(first_unseen(lambda: domain.sample(rng), domain, history), Origin(UNIFORM))


@dataclass(frozen=True)
class Listed:
    """Proposes what is listed and was not tried, in its order, and then uniformly what the listed
    is to be compared with: so a differentiable search has what it decoded measured."""

    proposals: tuple[Proposal, ...]

    def __call__(self, domain: Domain, history: Known, rng: Random) -> Proposal:
        """See `Proposer`."""
        for proposal in self.proposals:
            if not history.seen(domain.canonical(proposal.genotype)):
                return proposal
        return uniform(domain, history, rng)
