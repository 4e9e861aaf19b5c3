"""Which candidate deserves more steps. `PROMOTIONS` is the registry."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from atrous.core.config import MOST_WORKERS, RungConfig
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


def ladder(steps: int, levels: int, eta: int) -> tuple[Rung, ...]:
    """Returns rungs of `eta` times as many steps each as the one below; the last has `steps`."""
    top = levels - 1
    return tuple(Rung(level, max(1, steps // eta ** (top - level))) for level in range(levels))


@dataclass(frozen=True)
class FullBudget:
    """Trains every candidate for the same number of steps."""

    steps: int

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """See `Promotion`."""
        return ladder(self.steps, 1, 1)

    def next(self, history: History) -> Promote | Propose:  # noqa: ARG002
        """See `Promotion`."""
        return Propose()


@dataclass(frozen=True)
class SuccessiveHalving:
    """Promotes the best 1 / `eta` of each rung as soon as they are known to be (Li et al. 2020,
    "A System for Massively Parallel Hyperparameter Tuning", algorithm 2), so that no worker waits.

    Each of the `rungs` has `eta` times as many steps as the one below (`ladder`).
    """

    rungs: tuple[Rung, ...]
    eta: int

    def next(self, history: History) -> Promote | Propose:
        """See `Promotion`."""
        # The highest rung first: what is nearest to its end is finished before anything is begun.
        for rung in reversed(self.rungs[1:]):
            below = rung.level - 1
            for result in history.at(below, history.scored(below) // self.eta):
                if not history.has_begun(result.number, rung.level):
                    return Promote(result.trial, rung)
        return Propose()


BEGINS, MEMORY = 10, 100
"""So many pass before there is a median; it is that of the latest so many."""


@dataclass(frozen=True)
class RunningMedian:
    """Promotes who is, when it ends, not below the median of those that ended on its rung before.

    The gate between the two stages of Nekrasov et al. 2019 (section 3.4), mended: theirs is a
    moving mean which begins at 0.01, so that nearly all of the first 100 pass, and lets those below
    it pass by a chance that falls. Here the first 10 pass, and the median is of the latest 100. As
    no decision is taken back, half of all candidates pass, whatever `eta`.
    """

    rungs: tuple[Rung, ...]
    eta: int

    def next(self, history: History) -> Promote | Propose:
        """See `Promotion`."""
        for rung in reversed(self.rungs[1:]):
            # Whoever passes is promoted by the next free worker: only so many can be waiting.
            ended = history.arrived(rung.level - 1)[-(MOST_WORKERS + MEMORY) :]
            first = max(0, len(ended) - MOST_WORKERS)
            passed = passing([result.score or 0.0 for result in ended])
            for place, passes in enumerate(passed):
                result = ended[place]
                if passes and place >= first and not history.has_begun(result.number, rung.level):
                    return Promote(result.trial, rung)
        return Propose()


def passing(scores: Sequence[float]) -> Iterator[bool]:
    """Yields of each score whether it is not below the median of up to `MEMORY` before it; the
    first `BEGINS` pass."""
    before: list[float] = []
    for place, score in enumerate(scores):
        yield place < BEGINS or score >= median(before)
        insort(before, score)
        if len(before) > MEMORY:
            del before[bisect_left(before, scores[place - MEMORY])]


class MakePromotion(Protocol):
    """Makes a promotion over rungs, each with `eta` times the steps of the one below."""

    def __call__(self, rungs: tuple[Rung, ...], eta: int, /) -> Promotion: ...


HALVING = "halving"
PROMOTIONS: Mapping[str, MakePromotion] = {HALVING: SuccessiveHalving, "median": RunningMedian}


def find_promotion(asked: RungConfig, steps: int) -> Promotion:
    """Returns the promotion that is asked for, whose last rung has `steps`; raises `AtrousError`,
    also if those are too few for its rungs."""
    name = asked.promotion
    if name is not None and name not in PROMOTIONS:
        raise AtrousError(
            f"--promotion is one of {', '.join(PROMOTIONS)}, got {name!r}. Without it and without "
            "--rungs, all candidates train for --steps."
        )
    if asked.rungs == 1:
        if name is not None:
            raise AtrousError(
                f"--promotion {name} says who is trained on to the next of several --rungs, and "
                "there is one. Add --rungs 3 --eta 3, as --promotion halving alone once meant, or "
                "leave it out: then all candidates train for --steps."
            )
        return FullBudget(steps)
    rungs = ladder(steps, asked.rungs, asked.eta)
    counts = [rung.steps for rung in rungs]
    if counts != sorted(set(counts)):
        raise AtrousError(
            f"--rungs {asked.rungs} with --eta {asked.eta} and --steps {steps} are of "
            f"{', '.join(map(str, counts))} steps: too few for each to be more than the one below. "
            "Raise --steps, or ask for fewer --rungs."
        )
    return PROMOTIONS[name or HALVING](rungs, asked.eta)


def rung_steps(asked: RungConfig, steps: int) -> tuple[int, ...]:
    """Returns the steps of each of several rungs; none where all candidates train for `steps`."""
    rungs = find_promotion(asked, steps).rungs
    return tuple(rung.steps for rung in rungs) if len(rungs) > 1 else ()
