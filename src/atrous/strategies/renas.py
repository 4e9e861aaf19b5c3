"""Tournament evolution whose mutation is learnt (after Chen et al. 2019, RENAS)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp
from random import Random

from atrous.core.architecture import Genotype
from atrous.core.strategy_config import RenasConfig
from atrous.core.trial import Note, Origin
from atrous.strategies.evolution import alive, child, standing
from atrous.strategies.strategy import Domain, ExhaustedError, Known, Moments, Proposal, Result
from atrous.strategies.uniform import uniform

KIND = "learnt"
DECAY = 0.9
"""Of the moving average that a gain is compared with."""
RATE, STRENGTH, SHRINKAGE = 0.5, 2.0, 2.0
"""The rate of the policy; how much a standard deviation of the table's gains counts; so many
gains of 0 stand beside those of each choice."""


@dataclass(frozen=True)
class Gains:
    """All that was learnt of mutations, by the decision and its new choice, `decision.choice`.

    `logits` are the policy's, `totals` the sums and numbers of gains; `gains` tells of all of them.
    """

    logits: dict[str, float] = field(default_factory=dict)
    totals: dict[str, tuple[float, int]] = field(default_factory=dict)
    gains: Moments = field(default_factory=Moments)

    def weight(self, key: str, learn: str) -> float:
        """Returns the logit of a mutation."""
        if learn == "policy":
            return self.logits.get(key, 0.0)
        total, count = self.totals.get(key, (0.0, 0))
        gain = (total - count * self.gains.mean) / (count + SHRINKAGE)
        return STRENGTH * gain / (self.gains.spread or 1.0)


@dataclass(frozen=True)
class Renas:
    """Evolution that draws a few mutants of the parent and learns which to try.

    The parent wins a tournament as in `Evolution`. Of `mutants` children that were not tried, one
    is drawn with a probability that depends on the decision that it changes and on the new choice.
    The score of the child less that of its parent is the gain. `policy` learns from it by
    REINFORCE, with a moving average as baseline. `table` takes the mean gain of each change,
    shrunk towards that of all: the baseline that a learnt mutation must beat. RENAS has an LSTM
    with attention for a policy, whose details are unpublished, and children inherit weights.
    """

    how: RenasConfig = field(default_factory=RenasConfig)

    def begin(self) -> Gains:
        """See `Strategy`."""
        return Gains()

    def update(self, state: Gains, results: Sequence[Result]) -> Gains:
        """See `Strategy`."""
        for result in results:
            note = result.trial.origin.note
            if result.score is not None and not result.level and "parent" in note:
                state = _learnt(state, note, result.score)
        return state

    def propose(self, state: Gains, domain: Domain, history: Known, rng: Random) -> Proposal:
        """See `Strategy`."""
        living = alive(history, self.how.population)
        if len(history) < self.how.initial or not living:
            return uniform(domain, history, rng)
        parent = max(rng.sample(living, min(self.how.tournament, len(living))), key=standing)
        found = self._mutants(parent, domain, history, rng)
        while found:
            weights = softmax([state.weight(key, self.how.learn) for key in found])
            (chosen,) = rng.choices(list(found), weights)
            if domain.affords(found[chosen]):
                origin = Origin(KIND, (parent.number,), note=_note(parent, chosen, list(found)))
                return Proposal(found[chosen], origin)
            del found[chosen]
        try:
            return child(parent, domain, history, rng)
        except ExhaustedError:
            return uniform(domain, history, rng)

    def _mutants(
        self, parent: Result, domain: Domain, history: Known, rng: Random
    ) -> dict[str, Genotype]:
        """Children that were not tried, by the decision that differs and its new choice."""
        found: dict[str, Genotype] = {}
        for _ in range(2 * self.how.mutants):
            genotype = domain.mutate(parent.genotype, rng)
            pairs = enumerate(zip(genotype, parent.genotype, strict=False))
            key = next((f"{k}.{new}" for k, (new, old) in pairs if new != old), "")
            tried = not key or key in found or history.seen(domain.canonical(genotype))
            if not tried and domain.allows(genotype):
                found[key] = genotype
            if len(found) == self.how.mutants:
                break
        return found


def _note(parent: Result, chosen: str, keys: Sequence[str]) -> Note:
    """All that it takes to learn from a child: its change, all there were, the parent's score. A
    parent of a higher rung is no measure of a child on the first."""
    scores: Note = {} if parent.level else {"parent": parent.score or 0.0}
    return {"chosen": chosen, "mutants": " ".join(keys), **scores}


def _learnt(state: Gains, note: Mapping[str, object], score: float) -> Gains:
    """The state after the score of one child."""
    chosen, keys = str(note["chosen"]), str(note["mutants"]).split()
    gain = score - float(str(note["parent"]))
    gains = state.gains.with_one(gain, DECAY)
    advantage = (gain - gains.moving) / (gains.spread or 1.0)
    shares = softmax([state.logits.get(key, 0.0) for key in keys])
    moved = {
        key: state.logits.get(key, 0.0) + RATE * advantage * ((key == chosen) - share)
        for key, share in zip(keys, shares, strict=True)
    }
    total, number = state.totals.get(chosen, (0.0, 0))
    return Gains(
        logits={**state.logits, **moved},
        totals={**state.totals, chosen: (total + gain, number + 1)},
        gains=gains,
    )


def softmax(logits: Sequence[float]) -> list[float]:
    """Returns the shares that logits stand for."""
    highest = max(logits)
    powers = [exp(logit - highest) for logit in logits]
    return [power / sum(powers) for power in powers]
