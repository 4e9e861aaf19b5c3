"""A strategy with learnt state, for tests of whatever keeps such a state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log
from random import Random

from atrous.core.architecture import Genotype
from atrous.core.trial import Origin
from atrous.strategies.strategy import Domain, Known, Proposal, Result, first_unseen


@dataclass(frozen=True)
class Preferences:
    """The sum of the scores of each choice, and how many results it is of, by `decision.choice`."""

    totals: dict[str, tuple[float, int]] = field(default_factory=dict)

    def weight(self, position: int, choice: int) -> float:
        total, count = self.totals.get(f"{position}.{choice}", (0.0, 0))
        return (1 + max(0.0, total)) / (1 + count)


class Preferring:
    """Draws each choice in proportion to the mean score of the architectures that took it.

    `learnt` counts the results that it was shown.
    """

    def __init__(self) -> None:
        self.learnt = 0

    def begin(self) -> Preferences:
        return Preferences()

    def update(self, state: Preferences, results: Sequence[Result]) -> Preferences:
        self.learnt += len(results)
        totals = dict(state.totals)
        for result in results:
            for position, choice in enumerate(result.genotype):
                total, count = totals.get(f"{position}.{choice}", (0.0, 0))
                totals[f"{position}.{choice}"] = (total + (result.score or 0.0), count + 1)
        return Preferences(totals)

    def propose(self, state: Preferences, domain: Domain, history: Known, rng: Random) -> Proposal:
        def draw() -> Genotype:
            prefix: Genotype = ()
            while count := domain.choices(prefix):
                weights = [state.weight(len(prefix), choice) for choice in range(count)]
                prefix += tuple(rng.choices(range(count), weights))
            return prefix

        genotype = first_unseen(draw, domain, history)
        return Proposal(genotype, Origin("preferred", note={"log": _log(state, genotype)}))


def _log(state: Preferences, genotype: Genotype) -> float:
    return sum(log(state.weight(position, choice)) for position, choice in enumerate(genotype))
