"""What a differentiable search decoded, then random search beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from atrous.strategies.listed import Listed
from atrous.strategies.strategy import Domain, ExhaustedError, Observation, Proposal
from atrous.strategies.uniform import UniformSearch


@dataclass(frozen=True)
class Decoded:
    """Proposes the architectures that were decoded, in their order, then uniform ones: the random
    search that they are to be compared with."""

    proposals: tuple[Proposal, ...]

    def propose(self, domain: Domain, history: Sequence[Observation], rng: Random) -> Proposal:
        """See `Strategy`."""
        try:
            return Listed(self.proposals).propose(domain, history, rng)
        except ExhaustedError:
            return UniformSearch().propose(domain, history, rng)
