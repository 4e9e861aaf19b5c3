"""Which candidate deserves more steps. `PROMOTIONS` is the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from atrous.core.errors import AtrousError
from atrous.core.trial import Rung, Trial
from atrous.search.history import History


@dataclass(frozen=True)
class Promote:
    """Train this trial on to this rung."""

    trial: Trial
    rung: Rung


@dataclass(frozen=True)
class Propose:
    """Begin a new trial, on the lowest rung."""


class Promotion(Protocol):
    """Decides what a free worker does next: the same for the same history."""

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """The rungs, the cheapest first; their levels count from 0."""

    def next(self, history: History) -> Promote | Propose:
        """Returns a trial that has a score on the rung below and was not promoted yet, or that a
        new one is to be proposed."""


@dataclass(frozen=True)
class FullBudget:
    """Trains every candidate for the same number of steps."""

    steps: int

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """See `Promotion`."""
        return (Rung(0, self.steps),)

    def next(self, history: History) -> Promote | Propose:  # noqa: ARG002
        """See `Promotion`."""
        return Propose()


@dataclass(frozen=True)
class SuccessiveHalving:
    """Promotes the best 1 / `eta` of each rung as soon as they are known to be (Li et al. 2020,
    "A System for Massively Parallel Hyperparameter Tuning", algorithm 2), so that no worker waits.

    The first of `levels` rungs has `steps` / `eta` ** (`levels` - 1) steps, the last `steps`. A
    promoted candidate goes on from the checkpoint of the rung below, but mind its learning rate:
    where that decays to zero within a rung, a checkpoint of 100 steps is no prefix of a training of
    400, and the score of a rung compares with others of that rung alone.
    """

    steps: int
    levels: int = 3
    eta: int = 3

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """See `Promotion`."""
        top = self.levels - 1
        return tuple(
            Rung(level, max(1, self.steps // self.eta ** (top - level)))
            for level in range(self.levels)
        )

    def next(self, history: History) -> Promote | Propose:
        """See `Promotion`."""
        # The highest rung first: what is nearest to its end is finished before anything is begun.
        for rung in reversed(self.rungs[1:]):
            below = rung.level - 1
            for result in history.at(below, history.scored(below) // self.eta):
                if not history.has_begun(result.number, rung.level):
                    return Promote(result.trial, rung)
        return Propose()


PROMOTIONS: Mapping[str, Callable[[int], Promotion]] = {
    "full": FullBudget,
    "halving": SuccessiveHalving,
}


def find_promotion(name: str, steps: int) -> Promotion:
    """Returns the promotion of this name, whose last rung has `steps`; raises `AtrousError`, also
    if those are too few for its rungs."""
    if name not in PROMOTIONS:
        raise AtrousError(f"--promotion is one of {', '.join(PROMOTIONS)}, got {name!r}.")
    found = PROMOTIONS[name](steps)
    counts = [rung.steps for rung in found.rungs]
    if counts != sorted(set(counts)):
        raise AtrousError(
            f"--promotion {name} has {len(counts)} rungs, of {', '.join(map(str, counts))} steps "
            f"with --steps {steps}: too few for each to be more than the one below. Raise --steps."
        )
    return found
