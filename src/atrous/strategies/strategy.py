"""The shape of a search strategy: proposals from what is known so far, and the state it learns."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from math import sqrt
from random import Random
from typing import Any, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary

from atrous.core.architecture import Cost, Genotype
from atrous.core.trial import Origin, Trial

S = TypeVar("S")
ATTEMPTS = 1000
REFUSED = 200
"""So many in a row whose cost has to be measured are enough to say that a limit leaves nothing."""


class Domain(Protocol):
    """Answers what a strategy may ask of a space."""

    def sample(self, rng: Random) -> Genotype:
        """Returns a genotype drawn uniformly."""

    def mutate(self, genotype: Genotype, rng: Random) -> Genotype:
        """Returns a neighbour, drawn at random; the genotype itself if it has none."""

    def choices(self, prefix: Genotype) -> int:
        """Returns how many choices the decision after these has; 0 where none is left."""

    def spell(self, pick: Callable[[int, int], int]) -> Genotype:
        """Returns the genotype whose decisions `pick` takes, given each one's position and its
        number of choices."""

    @property
    def most_choices(self) -> tuple[int, ...]:
        """The most choices that each decision can have, in order: the shape of an encoding."""

    def analytic_cost(self, genotype: Genotype) -> Cost:
        """Returns parameters and multiply-adds on one input, by arithmetic: nothing is built."""

    def allows(self, genotype: Genotype) -> bool:
        """Returns whether an architecture's counted cost is within the limits of the search."""

    @property
    def affords(self) -> Callable[[Genotype], bool]:
        """Says whether so are its other costs, which may have to be measured: it is asked last, of
        what would be proposed."""

    @property
    def canonical(self) -> Callable[[Genotype], Genotype]:
        """One genotype for all that build the same function."""


@dataclass(frozen=True)
class Result:
    """A trial that has ended on the rung `level`; `score` is `None` if it failed, else larger is
    better. So are those of `wanted`, which are all objectives where there are several."""

    trial: Trial
    level: int
    score: float | None
    wanted: tuple[float, ...] = ()

    @property
    def number(self) -> int:
        return self.trial.number

    @property
    def genotype(self) -> Genotype:
        return self.trial.architecture.genotype


class Known(Protocol):
    """Holds what is known of a search, for strategies and promotions to read.

    Baselines count as trials and are never proposed again, but nothing is learnt from their scores:
    a search that leans on what was published is no search.
    """

    def __len__(self) -> int:
        """Returns how many trials have begun."""

    def seen(self, form: Genotype) -> bool:
        """Returns whether a trial of this canonical form has begun."""

    def best(self, count: int) -> Sequence[Result]:
        """Returns the best trials, each by its highest rung and higher rungs before lower; of equal
        scores, the earlier trial first."""

    def last(self, count: int) -> Sequence[Result]:
        """Returns the latest results, failures among them, the latest last."""

    @property
    def known(self) -> int:
        """Returns how many results there are."""

    def since(self, known: int, until: int | None = None) -> Sequence[Result]:
        """Returns the results after the first `known`, in the order in which they were learnt, up
        to the first `until`."""

    def at(self, level: int, count: int | None = None) -> Sequence[Result]:
        """Returns the best `count` results of a rung, or all of its scored ones, best first."""

    def scored(self, level: int) -> int:
        """Returns how many scored results a rung has."""

    @property
    def failed(self) -> Sequence[Result]:
        """The trials that failed, in the order in which they ended."""


@dataclass(frozen=True)
class Proposal:
    """A genotype to try next, and where it comes from."""

    genotype: Genotype
    origin: Origin


@dataclass(frozen=True)
class Moments:
    """Mean and spread of all numbers so far, and their moving average (Welford 1962)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    moving: float = 0.0

    @property
    def spread(self) -> float:
        """The standard deviation; 0 of one number, and of none."""
        return sqrt(self.squares / max(1, self.count))

    def with_one(self, number: float, decay: float) -> Moments:
        """Returns the moments with one more number; the first is its own moving average."""
        count, before = self.count + 1, self.moving if self.count else number
        mean = self.mean + (number - self.mean) / count
        squares = self.squares + (number - self.mean) * (number - mean)
        return Moments(count, mean, squares, decay * before + (1 - decay) * number)


class Strategy(Protocol[S]):
    """Proposes the next genotype from what it has learnt. Everything it learns is in its state.

    A state is a frozen record that `atrous.core.records` can write, or `None`: a search keeps it
    beside its results, and a resumed search reads it instead of learning all again. For that,
    states may not depend on how results are divided among calls of `update`.
    """

    def begin(self) -> S:
        """Returns what is known before any result."""

    def update(self, state: S, results: Sequence[Result]) -> S:
        """Returns the state after these results, which come once each, in the order they ended."""

    def propose(self, state: S, domain: Domain, history: Known, rng: Random) -> Proposal:
        """Returns a genotype not tried before: the same for the same arguments.

        Raises `ExhaustedError` when none can be found.
        """


class Proposer(Protocol):
    """A strategy that looks at the history alone."""

    def __call__(self, domain: Domain, history: Known, rng: Random) -> Proposal:
        """Returns a genotype not tried before; raises `ExhaustedError`."""


@dataclass(frozen=True)
class Stateless:
    """The strategy of a proposer, which learns nothing that the history does not hold."""

    proposer: Proposer

    def begin(self) -> None:
        """See `Strategy`."""

    def update(self, state: None, results: Sequence[Result]) -> None:
        """See `Strategy`."""

    def propose(self, state: None, domain: Domain, history: Known, rng: Random) -> Proposal:  # noqa: ARG002
        """See `Strategy`."""
        return self.proposer(domain, history, rng)


AnyStrategy = Strategy[Any]

_BESIDE: WeakKeyDictionary[Known, dict[Hashable, Any]] = WeakKeyDictionary()


def remembered(history: Known, key: Hashable, make: Callable[[], S]) -> S:
    """Returns what `make` gives, which is made once for a history and a key and kept until another
    key asks. What is made may depend on the key and on results that the key tells, on nothing that
    a longer history would change."""
    kept = _BESIDE.setdefault(history, {})
    if key not in kept:
        kept.clear()
        kept[key] = make()
    return cast(S, kept[key])


def scored_between(history: Known, known: int, until: int) -> list[Result]:
    """Returns those of some results that have a score and are no baselines, the latest of each
    trial."""
    found = {
        each.number: each
        for each in history.since(known, until)
        if each.score is not None and not each.trial.is_baseline
    }
    return list(found.values())


class ExhaustedError(Exception):
    """No genotype is left that is allowed and was not tried."""


def first_unseen(draw: Callable[[], Genotype], domain: Domain, history: Known) -> Genotype:
    """Returns the first draw that is within the limits and whose function was not tried before;
    raises `ExhaustedError`."""
    left = REFUSED
    for _ in range(ATTEMPTS):
        genotype = draw()
        # What was tried is looked up, a cost is counted: the cheaper question first.
        if history.seen(domain.canonical(genotype)) or not domain.allows(genotype):
            continue
        if domain.affords(genotype):
            return genotype
        left -= 1
        if not left:
            break
    told = ATTEMPTS if left else REFUSED
    raise ExhaustedError(f"{told} draws in a row were tried before, or beyond a --limit")


def unseen_near(
    draw: Callable[[], Genotype], draws: int, domain: Domain, history: Known, rng: Random
) -> Genotype:
    """Returns the first of so many draws that `first_unseen` would take, else what is as few
    mutations from the last of them as chance finds; raises `ExhaustedError`."""
    genotype, left = draw(), draws

    def following() -> Genotype:
        nonlocal genotype, left
        if left < draws:
            genotype = draw() if left > 0 else domain.mutate(genotype, rng)
        left -= 1
        return genotype

    return first_unseen(following, domain, history)
