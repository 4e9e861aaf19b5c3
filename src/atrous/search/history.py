"""The history of a search, kept so that a proposal costs the same at its end as at its start."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from random import Random

from atrous.core.architecture import Genotype
from atrous.core.trial import Job, Measured
from atrous.search.imitation import IMITATION
from atrous.search.ledger import Entry, Ledger
from atrous.spaces.space import Space
from atrous.strategies.strategy import AnyStrategy, Domain, Proposal, Result
from atrous.tasks.task import Objective

Place = tuple[int, float, int]
"""Where a result stands in an order, best first: by rung, by score, by number."""


def result_of(entry: Entry, wanted: Sequence[Objective] = ()) -> Result:
    """Returns an entry as strategies and promotions know it: what imitation adds is of their score,
    and of the first of all that is `wanted`."""
    outcome = entry.outcome
    values = outcome.values if isinstance(outcome, Measured) else {}
    more = values.get(IMITATION, 0.0)
    score = None if entry.score is None else entry.score + more
    numbers = tuple(each(values) for each in wanted) if values else ()
    numbers = (numbers[0] + more, *numbers[1:]) if numbers else ()
    return Result(entry.trial, outcome.job.rung.level, score, numbers)


class History:
    """The history of one search; see `Known` of the strategies for what may be read.

    The loop writes: `begin` when a job is submitted, `learn` when proposals may know its result.
    Each costs the logarithm of the history, and no reader ever goes through all of it.
    Architectures of another space than the searched one, as baselines may be, have no form that
    could be proposed.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._forms: set[Genotype] = set()
        self._levels: dict[int, int] = {}
        self._order: list[Place] = []
        self._places: dict[int, Place] = {}
        self._rungs: dict[int, list[Place]] = {}
        self._arrived: dict[int, list[Result]] = {}
        self._results: list[Result] = []
        self._last: dict[tuple[int, int], Result] = {}
        self._failed: list[Result] = []

    def begin(self, job: Job) -> None:
        """Notes that a job runs: its architecture is tried, and the trial is on its rung."""
        number, architecture = job.trial.number, job.architecture
        if number not in self._levels and architecture.space == self._space.name:
            self._forms.add(self._space.canonical(architecture.genotype))
        self._levels[number] = max(job.rung.level, self._levels.get(number, 0))

    def learn(self, result: Result) -> None:
        """Adds a result, which strategies and promotions know from now on."""
        self._results.append(result)
        self._last[result.number, result.level] = result
        if result.score is None:
            self._failed.append(result)
        elif not result.trial.is_baseline:
            self._arrived.setdefault(result.level, []).append(result)
            self._rank(result, result.score)

    def _rank(self, result: Result, score: float) -> None:
        place = (-result.level, -score, result.number)
        insort(self._rungs.setdefault(result.level, []), place)
        # A trial stands in the order once, by its highest rung. In the list of each rung it stays,
        # for a promotion compares what was trained equally long.
        before = self._places.get(result.number)
        if before is None or place[0] < before[0]:
            if before is not None:
                del self._order[bisect_left(self._order, before)]
            insort(self._order, place)
            self._places[result.number] = place

    def __len__(self) -> int:
        return len(self._levels)

    @property
    def known(self) -> int:
        """See `Known`."""
        return len(self._results)

    def since(self, known: int, until: int | None = None) -> Sequence[Result]:
        """See `Known`."""
        return self._results[known:until]

    def seen(self, form: Genotype) -> bool:
        """See `Known`."""
        return form in self._forms

    def has_begun(self, number: int, level: int = 0) -> bool:
        """Returns whether a job of the trial was begun on this rung or a higher one."""
        return self._levels.get(number, -1) >= level

    def best(self, count: int) -> Sequence[Result]:
        """See `Known`."""
        return [self._at(place) for place in islice(self._order, count)]

    def last(self, count: int) -> Sequence[Result]:
        """See `Known`."""
        return self._results[-count:] if count else []

    def at(self, level: int, count: int | None = None) -> Sequence[Result]:
        """See `Known`."""
        return [self._at(place) for place in islice(self._rungs.get(level, ()), count)]

    def arrived(self, level: int) -> Sequence[Result]:
        """Returns the scored results of a rung in the order in which they were learnt."""
        return self._arrived.get(level, ())

    def scored(self, level: int) -> int:
        """See `Known`."""
        return len(self._rungs.get(level, ()))

    @property
    def failed(self) -> Sequence[Result]:
        """See `Known`."""
        return self._failed

    def _at(self, place: Place) -> Result:
        return self._last[place[2], -place[0]]


EVERY = 50
"""The state is kept each time that it has learnt from so many more results."""


class Learner:
    """Brings the state of a strategy up to date before each proposal, and keeps it in the ledger.

    A state stands under the number of results that it was learnt from. After a resumption it goes
    on from there; if a proposal may know less than the kept state does, learning begins anew.
    """

    def __init__(self, strategy: AnyStrategy, ledger: Ledger) -> None:
        self._strategy, self._ledger = strategy, ledger
        self._learnt, self._state = 0, strategy.begin()
        if self._state is not None:
            with suppress(LookupError):
                self._learnt, self._state = ledger.kept(type(self._state))
        self._kept = self._learnt

    def propose(self, domain: Domain, history: History, rng: Random) -> Proposal:
        """Returns the next proposal; raises `ExhaustedError`."""
        self._learn(history)
        return self._strategy.propose(self._state, domain, history, rng)

    def finish(self, history: History) -> None:
        """Learns from the last results and keeps the state."""
        self._learn(history)
        self._keep()

    def _learn(self, history: History) -> None:
        if self._learnt > history.known:
            self._learnt, self._state = 0, self._strategy.begin()
        results = history.since(self._learnt)
        found = [result for result in results if not result.trial.is_baseline]
        if found:
            self._state = self._strategy.update(self._state, found)
        self._learnt += len(results)
        if self._learnt >= self._kept + EVERY:
            self._keep()

    def _keep(self) -> None:
        if self._state is not None and self._learnt != self._kept:
            self._ledger.keep(self._learnt, self._state)
            self._kept = self._learnt
