"""The loop of a black-box search: propose or promote, submit, record.

Workers run free: whoever ends gets the next job at once, proposed from what the ledger holds by
then; each trial tells how much that was (`knows`). Nobody waits for a slower worker, so a search
with several workers depends on who ended first; a resumed one keeps what is recorded and goes on.

A `reproducible` search pays with waiting: job j learns from jobs below j - 2 (W - 1) alone, so that
it depends on its seed and its number of workers W, not on who ended first. With one worker both
ways are the same, and a resumed search equals an uninterrupted one.

What the machine's trouble ended (a lost or hanging worker, an error that no one foresaw) says
nothing of an architecture: nobody learns from it, and a search that goes on runs it again.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random

from atrous.core.architecture import Architecture
from atrous.core.errors import AtrousError
from atrous.core.trial import (
    BASELINE,
    Failed,
    Job,
    Measured,
    Metrics,
    Origin,
    Outcome,
    Reason,
    Trial,
    details_of,
    may_pass,
    values_of,
)
from atrous.execution.executor import LOOK, Executor, Patience, WorkerLostError
from atrous.search.history import History, Learner, result_of
from atrous.search.imitation import IMITATION, SIMILARITY, Imitation
from atrous.search.ledger import Entry, Ledger
from atrous.search.promotion import Promote, Promotion
from atrous.spaces import find_architecture, find_space
from atrous.spaces.space import Space
from atrous.strategies.strategy import AnyStrategy, ExhaustedError, Moments, Stateless
from atrous.strategies.uniform import uniform
from atrous.tasks.task import Objective

ATTEMPTS = 3
"""How often a job is begun whose worker dies."""
CLEAR = 1000
"""After so many results, what is known is taken from the interpreter's collector."""
SAME_ERROR = 3
"""A search stops when so many jobs in a row end in an unforeseen error."""


def baseline_trials(names: Sequence[str], seed: int) -> list[Trial]:
    """Returns architectures that are asked for by name as the first trials of a search."""
    return [
        Trial(number, find_architecture(name), Origin(BASELINE, label=name), seed)
        for number, name in enumerate(names)
    ]


Estimator = Callable[[Job], Outcome]
RANDOM = Stateless(uniform)
"""The strategy where none is named, as where all trials are listed."""
Watcher = Callable[[Entry], None]


def unpriced(_: Architecture) -> Metrics:
    """Returns no costs."""
    return {}


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """One search, whole: `listed` are trials that are known before, by number, such as baselines;
    after them, `trials` are proposed by the strategy. `prices` gives costs of an architecture that
    are kept beside what was measured; `wanted` are all objectives, where there are several, the
    score first, and `objective` makes one number of them. By `imitation`, strategies and promotions
    know scores that lean towards an expert; those that are recorded do not. `workers` jobs run at a
    time; `seconds` is the time after which no job is begun any more, pauses between resumptions
    left out."""

    space: Space
    strategy: AnyStrategy = RANDOM
    promotion: Promotion
    objective: Objective
    wanted: Sequence[Objective] = ()
    imitation: Imitation | None = None
    prices: Callable[[Architecture], Metrics] = unpriced
    listed: Sequence[Trial] = ()
    trials: int = 0
    seed: int
    workers: int
    seconds: float | None = None
    reproducible: bool = False

    @property
    def total(self) -> int:
        """Listed and proposed trials."""
        return len(self.listed) + self.trials

    @property
    def lag(self) -> int:
        """How many of the latest jobs a reproducible search does not learn from."""
        return 2 * (self.workers - 1)


class _Search:
    """The state of a running search: what was begun, what ended, what runs."""

    def __init__(
        self,
        plan: SearchPlan,
        ledger: Ledger,
        estimator: Estimator,
        executor: Executor,
        watch: Watcher,
    ) -> None:
        self.plan = plan
        self.ledger = ledger
        self.estimator = estimator
        self.executor = executor
        self.watch = watch
        self._history = History(plan.space)
        self._learner = Learner(plan.strategy, ledger)
        self._number = 0
        self._order: list[tuple[int, int]] = []
        self._caught = 0
        self._ended: dict[tuple[int, int], Entry] = {}
        self._again: dict[int, Trial] = {}
        self._running: dict[Future[Outcome], Job] = {}
        self._patience = Patience()
        self._attempts: dict[tuple[int, int], int] = {}
        self._moments: dict[int, Moments] = {}
        self._units: dict[tuple[int, int], float] = {}
        self._errors = self._cleared = 0
        self._exhausted = False
        self._before = 0.0
        self._start = time.monotonic()

    def run(self) -> None:
        """Runs until all jobs have ended or the time is over; see `search`."""
        for entry in self.ledger.recorded():
            self._before = max(self._before, entry.elapsed)
            self._take_up(entry)
        try:
            while self._turn():
                pass
        finally:
            # What ended beside the job that ends the search is kept all the same.
            for future in filter(Future.done, tuple(self._running)):
                with suppress(Exception):
                    self._record(future.result())
            gc.unfreeze()
        self._learner.finish(self._history)

    def _turn(self) -> bool:
        """Begins jobs and waits until one ends; returns whether there was any."""
        self._fill()
        if not self._running:
            return False
        self._clear_up()
        done, _ = wait(self._running, timeout=LOOK, return_when=FIRST_COMPLETED)
        for future in done:
            self._end(future, self._running.pop(future))
        sizes = ((future, job.steps) for future, job in self._running.items())
        for future in self._patience.overdue(sizes, time.monotonic()):
            self._give_up(future, self._running.pop(future))
        return True

    def _clear_up(self) -> None:
        """Frees the interpreter's collector from what is known, which is never garbage.

        It would go through a history of 28,000 trials in a tenth of a second, at a moment of its
        own choice, such as when a worker waits for a proposal. Here all workers are busy.
        """
        if self._history.known >= self._cleared + CLEAR:
            gc.collect()
            gc.freeze()
            self._cleared = self._history.known

    def _take_up(self, entry: Entry) -> None:
        """Takes a result that the ledger holds, unless its job is to be run again.

        A free-running search knows all of them at once. A reproducible one goes through its jobs
        again, in their order, and finds their results here.
        """
        self._be_patient(entry.outcome)
        if may_pass(entry.outcome):
            self._again[entry.trial.number] = entry.trial
        elif self.plan.reproducible:
            self._ended[entry.key] = entry
        else:
            self._history.begin(entry.outcome.job)
            self._learn(entry)

    def _fill(self) -> None:
        """Begins jobs while workers are free and the time is not over."""
        while len(self._running) < self.plan.workers and not self._is_over() and self._catch_up():
            job = self._next_job()
            if job is None:
                return
            self._history.begin(job)
            self._order.append(job.key)
            if job.key not in self._ended:
                self._begin(job)

    def _is_over(self) -> bool:
        return self.plan.seconds is not None and self._elapsed() >= self.plan.seconds

    def _elapsed(self) -> float:
        return self._before + time.monotonic() - self._start

    def _catch_up(self) -> bool:
        """Returns whether all is known that the next proposal of a reproducible search must know;
        it waits for that. A free-running one waits for nothing."""
        if not self.plan.reproducible:
            return True
        for key in self._order[self._caught : max(0, len(self._order) - self.plan.lag)]:
            if key not in self._ended:
                return False
            self._learn(self._ended[key])
            self._caught += 1
        return True

    def _next_job(self) -> Job | None:
        """Returns what a free worker does next; `None` where there is nothing for it now."""
        rungs = self.plan.promotion.rungs
        action = self.plan.promotion.next(self._history)
        if isinstance(action, Promote):
            return Job(action.trial, action.rung, rungs[action.rung.level - 1])
        while self._history.has_begun(self._number):
            self._number += 1
        if self._number >= self.plan.total or self._exhausted:
            return None
        try:
            trial = self._trial(self._number)
            # What others are compared with is trained to the end, whether or not it is promising.
            return Job(trial, rungs[-1 if trial.is_baseline else 0])
        except ExhaustedError:
            self._exhausted = True
            return None

    def _trial(self, number: int) -> Trial:
        """Returns the trial of this number: recorded, listed, or proposed now."""
        plan = self.plan
        if (number, 0) in self._ended:
            return self._ended[number, 0].trial
        if number < len(plan.listed):
            return plan.listed[number]
        if number in self._again:
            return self._again[number]
        rng = Random(f"{plan.seed}/{number}")
        proposal = self._learner.propose(plan.space, self._history, rng)
        architecture = plan.space.architecture(proposal.genotype)
        return Trial(number, architecture, proposal.origin, plan.seed, self._history.known)

    def _begin(self, job: Job) -> None:
        self._attempts[job.key] = self._attempts.get(job.key, 0) + 1
        self._units.setdefault(job.key, self._spread(job.rung.level))
        self._running[self.executor.submit(self.estimator, job)] = job

    def _end(self, future: Future[Outcome], job: Job) -> None:
        try:
            outcome = future.result()
        except WorkerLostError as lost:
            if self._attempts[job.key] < ATTEMPTS:
                self._begin(job)
                return
            text = f"{lost}, {ATTEMPTS} times. The system may have run out of memory."
            outcome = Failed(job, Reason.WORKER_LOST, text)
        except AtrousError:
            raise
        except Exception as error:
            outcome = Failed(job, Reason.ERROR, f"{type(error).__name__}: {error}")
        self._record(outcome)

    def _give_up(self, future: Future[Outcome], job: Job) -> None:
        """Ends a job that hangs, and its process with it."""
        future.cancel()
        limit = self._patience.allowed(job.steps) or 0.0
        text = f"it was ended after {limit:.0f} s, far longer than any trial before it took"
        self._record(Failed(job, Reason.WORKER_LOST, text, limit))

    def _be_patient(self, outcome: Outcome) -> None:
        """Learns how long jobs take."""
        if isinstance(outcome, Measured):
            self._patience.learn(outcome.seconds, outcome.job.steps)

    def _record(self, outcome: Outcome) -> None:
        self._attempts.pop(outcome.job.key, None)
        self._be_patient(outcome)
        outcome = self._priced(outcome)
        score = self.plan.objective(outcome.values) if isinstance(outcome, Measured) else None
        entry = Entry(outcome, score, self._elapsed())
        self.ledger.record(entry, self._widths(outcome.trial.architecture))
        if self.plan.reproducible:
            self._ended[entry.key] = entry
        else:
            self._learn(entry)
        self.watch(entry)
        self._require_sense(outcome)

    def _priced(self, outcome: Outcome) -> Outcome:
        """Returns an outcome with what its architecture costs, and has of an expert."""
        unit = self._units.pop(outcome.job.key, 0.0)
        if isinstance(outcome, Failed):
            return outcome
        found = self.plan.prices(outcome.trial.architecture)
        return replace(
            outcome,
            values={**outcome.values, **values_of(found), **self._likeness(outcome, unit)},
            details={**outcome.details, **details_of(found)},
        )

    def _likeness(self, outcome: Outcome, unit: float) -> dict[str, float]:
        """How alike an architecture is to the expert, and what that adds, in units of the spread of
        the scores that were known when the job was begun: what is recorded stands."""
        asked = self.plan.imitation
        alike = asked.similarity(outcome.trial.architecture) if asked else None
        if asked is None or alike is None:
            return {}
        return {SIMILARITY: alike, IMITATION: asked.weight * unit * alike}

    def _spread(self, level: int) -> float:
        """The standard deviation of the scores of a rung, or where none is known of the next lower
        one; 0 where there is none."""
        below = (self._moments[k].spread for k in range(level, -1, -1) if k in self._moments)
        return next(filter(None, below), 0.0)

    def _learn(self, entry: Entry) -> None:
        outcome = entry.outcome
        if may_pass(outcome):
            return
        self._history.learn(result_of(entry, self.plan.wanted))
        if self.plan.imitation and entry.score is not None and not entry.trial.is_baseline:
            level = outcome.job.rung.level
            before = self._moments.get(level, Moments())
            self._moments[level] = before.with_one(entry.score, 0.0)

    def _require_sense(self, outcome: Outcome) -> None:
        """Raises `AtrousError` when unforeseen errors do not cease."""
        self._errors = self._errors + 1 if may_pass(outcome) else 0
        if self._errors == SAME_ERROR and isinstance(outcome, Failed):
            raise AtrousError(
                f"{SAME_ERROR} trials in a row ended in an unforeseen error, the last (trial "
                f"{outcome.trial.number}) in: {outcome.error}. This is a bug of the program or of "
                "an extension, or the machine is in trouble; the trials before are in the ledger, "
                "and these are run again when the search goes on with --resume."
            )

    def _widths(self, architecture: Architecture) -> dict[str, int]:
        """Returns how many choices each decision had; a baseline may be of another space."""
        same = architecture.space == self.plan.space.name
        space = self.plan.space if same else find_space(architecture.space)
        return space.widths(architecture.genotype)


def search(
    plan: SearchPlan, ledger: Ledger, estimator: Estimator, executor: Executor, watch: Watcher
) -> None:
    """Runs a plan to its end; jobs whose results the ledger holds are not run again, but for those
    that the machine's trouble ended.

    A job whose worker dies is begun up to 3 times; one that takes far longer than those before it
    is ended. `watch` hears of each new entry. Raises
    `AtrousError` that a job raised, and when unforeseen errors do not cease.
    """
    _Search(plan, ledger, estimator, executor, watch).run()
