"""Uniform random search."""

from __future__ import annotations

from random import Random

from atrous.core.trial import UNIFORM, Origin
from atrous.strategies.strategy import Domain, Known, Proposal, first_unseen


def uniform(domain: Domain, history: Known, rng: Random) -> Proposal:
    """Proposes what is drawn uniformly from the architectures not tried before."""
    return Proposal(first_unseen(lambda: domain.sample(rng), domain, history), Origin(UNIFORM))
