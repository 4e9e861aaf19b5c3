"""Regularised evolution: tournaments among the latest (Real et al. 2019, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from atrous.core.strategy_config import EvolutionConfig
from atrous.core.trial import NEAR, Origin
from atrous.strategies.strategy import (
    Domain,
    ExhaustedError,
    Known,
    Proposal,
    Result,
    scored_between,
    unseen_near,
)
from atrous.strategies.uniform import uniform


@dataclass(frozen=True)
class Evolution:
    """Children of the winners of tournaments; whoever is old dies, however good.

    Alive are the latest `population` trials that have a score. The best of `tournament` of them,
    drawn without replacement, is the parent; its child differs in one decision, or, where that
    child was tried, in as many more as it takes. The paper's population is 100 of 20,000 networks,
    and the first 100 are uniform; here `initial` are, since searches have tens of trials.
    The paper's mutation that changes nothing is left out: no function is trained twice.
    """

    how: EvolutionConfig = field(default_factory=EvolutionConfig)

    def __call__(self, domain: Domain, history: Known, rng: Random) -> Proposal:
        """See `Proposer`."""
        living = alive(history, self.how.population)
        if len(history) >= self.how.initial and living:
            drawn = rng.sample(living, min(self.how.tournament, len(living)))
            parent = max(drawn, key=standing)
            try:
                return child(parent, domain, history, rng)
            except ExhaustedError:
                pass
        return uniform(domain, history, rng)


def alive(history: Known, population: int) -> list[Result]:
    """Returns the latest trials with a score, each by its latest result, the latest last; baselines
    are none of them. Of results, twice as many are looked at, for some have failed."""
    known = history.known
    return scored_between(history, max(0, known - 2 * population), known)[-population:]


def standing(result: Result) -> tuple[int, float, int]:
    """Returns what a scored result is compared by: rung, score, and the earlier trial of equals."""
    return result.level, result.score or 0.0, -result.number


def child(parent: Result, domain: Domain, history: Known, rng: Random) -> Proposal:
    """Returns what was not tried as few decisions from its parent as chance finds; raises
    `ExhaustedError`."""
    genotype = unseen_near(lambda: domain.mutate(parent.genotype, rng), 1, domain, history, rng)
    return Proposal(genotype, Origin(NEAR, (parent.number,)))
