"""Random search with samples near the best, the strategy of Chen et al. 2018, section 3.3."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from atrous.core.architecture import Genotype
from atrous.core.trial import NEAR, Origin
from atrous.strategies.strategy import (
    Domain,
    ExhaustedError,
    Known,
    Proposal,
    Result,
    first_unseen,
)
from atrous.strategies.uniform import uniform


@dataclass(frozen=True)
class LocalSearch:
    """Part uniform, part near the best so far.

    Proposals are uniform until there are `warmup` trials, baselines and failures counted; after
    that, a share `uniform` is. The others take one of the `parents` best trials, drawn uniformly,
    and change 1 to `mutations` of its decisions. The paper says that both kinds are mixed; the
    shares and the radius it used are unpublished.
    """

    warmup: int = 10
    uniform: float = 0.3
    parents: int = 5
    mutations: int = 2

    def __call__(self, domain: Domain, history: Known, rng: Random) -> Proposal:
        """See `Proposer`."""
        best = history.best(self.parents)
        # Chance is asked last: a draw is spent only where it decides something.
        if len(history) >= self.warmup and best and rng.random() >= self.uniform:
            try:
                return self._near(rng.choice(best), domain, history, rng)
            except ExhaustedError:
                pass
        return uniform(domain, history, rng)

    def _near(self, parent: Result, domain: Domain, history: Known, rng: Random) -> Proposal:
        def draw() -> Genotype:
            genotype = parent.genotype
            for _ in range(rng.randint(1, self.mutations)):
                genotype = domain.mutate(genotype, rng)
            return genotype

        return Proposal(first_unseen(draw, domain, history), Origin(NEAR, (parent.number,)))
