"""The loop of a black-box search: propose, submit, record.

What trial n may learn from is fixed: the scores of trials below n - lag, where lag is 0 for one
worker and 2 (W - 1) for W. So a search depends on its seed and number of workers alone, not on
which worker happened to end first, and a resumed search equals an uninterrupted one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from atrous.core.architecture import Architecture
from atrous.core.errors import AtrousError
from atrous.core.trial import (
    BASELINE,
    Failed,
    Job,
    Measured,
    Origin,
    Outcome,
    Reason,
    Rung,
    Trial,
)
from atrous.execution.local import WorkerLostError
from atrous.search.ledger import Entry, Ledger
from atrous.search.objective import Objective
from atrous.spaces import find_space
from atrous.spaces.space import Space
from atrous.strategies.strategy import ExhaustedError, Observation, Strategy

ATTEMPTS = 3
"""How often a trial is begun whose worker dies."""
UNFORESEEN = (Reason.ERROR, Reason.WORKER_LOST)
SAME_ERROR = 3
"""A search stops when so many trials in a row end in an unforeseen error."""

Estimator = Callable[[Job], Outcome]


class Executor(Protocol):
    """Where trials run; `concurrent.futures` executors are of this shape."""

    def submit(self, estimator: Estimator, job: Job, /) -> Future[Outcome]:
        """Starts a job."""


@dataclass(frozen=True)
class Plan:
    """What a search does. `trials` are proposed by the strategy, after the `baselines`; `seconds`
    is the time after which no trial is begun any more, pauses between resumptions left out."""

    space: Space
    strategy: Strategy
    baselines: Sequence[tuple[str, Architecture]]
    objective: Objective
    trials: int
    steps: int
    seed: int
    workers: int
    seconds: float | None = None

    @property
    def total(self) -> int:
        """Baselines and proposed trials."""
        return len(self.baselines) + self.trials

    @property
    def lag(self) -> int:
        """How many of the latest trials a proposal does not learn from."""
        return 2 * (self.workers - 1)


Watcher = Callable[[Entry], None]


@dataclass
class Search:
    """The state of a running search: what was proposed, what ended, what runs."""

    plan: Plan
    ledger: Ledger
    estimator: Estimator
    executor: Executor
    watch: Watcher
    _trials: list[Trial] = field(default_factory=list)
    _ended: dict[int, Entry] = field(default_factory=dict)
    _running: dict[Future[Outcome], Job] = field(default_factory=dict)
    _attempts: dict[int, int] = field(default_factory=dict)
    _errors: int = 0
    _exhausted: bool = False
    _before: float = 0.0
    _start: float = 0.0

    def run(self) -> None:
        """Runs until all trials have ended or the time is over; see `search`."""
        self._start = time.monotonic()
        for entry in self.ledger.entries():
            self._ended[entry.trial.number] = entry
            self._before = max(self._before, entry.elapsed)
        while True:
            self._fill()
            if not self._running:
                return
            done, _ = wait(self._running, return_when=FIRST_COMPLETED)
            for future in done:
                self._end(future, self._running.pop(future))

    def _elapsed(self) -> float:
        return self._before + time.monotonic() - self._start

    def _fill(self) -> None:
        while len(self._running) < self.plan.workers and self._may_begin():
            try:
                trial = self._next_trial()
            except ExhaustedError:
                self._exhausted = True
                return
            self._trials.append(trial)
            if trial.number not in self._ended:
                self._begin(Job(trial, Rung(0, self.plan.steps)))

    def _may_begin(self) -> bool:
        number, limit = len(self._trials), self.plan.seconds
        if self._exhausted or number >= self.plan.total:
            return False
        if limit is not None and number not in self._ended and self._elapsed() >= limit:
            return False
        return all(n in self._ended for n in range(number - self.plan.lag))

    def _next_trial(self) -> Trial:
        number = len(self._trials)
        if number in self._ended:
            return self._ended[number].trial
        if number < len(self.plan.baselines):
            name, architecture = self.plan.baselines[number]
            return Trial(number, architecture, Origin(BASELINE, label=name), self.plan.seed)
        history = [self._observe(trial) for trial in self._trials]
        rng = Random(f"{self.plan.seed}/{number}")
        proposal = self.plan.strategy.propose(self.plan.space, history, rng)
        architecture = self.plan.space.architecture(proposal.genotype)
        knows = max(0, number - self.plan.lag)
        return Trial(number, architecture, proposal.origin, self.plan.seed, knows)

    def _observe(self, trial: Trial) -> Observation:
        """What a proposal may know of an earlier trial: baselines lend no score to learn from."""
        known = trial.number < len(self._trials) - self.plan.lag and not trial.is_baseline
        score = self._ended[trial.number].score if known else None
        return Observation(trial.number, trial.architecture.genotype, score)

    def _begin(self, job: Job) -> None:
        number = job.trial.number
        self._attempts[number] = self._attempts.get(number, 0) + 1
        self._running[self.executor.submit(self.estimator, job)] = job

    def _end(self, future: Future[Outcome], job: Job) -> None:
        try:
            outcome = future.result()
        except WorkerLostError as lost:
            if self._attempts[job.trial.number] < ATTEMPTS:
                self._begin(job)
                return
            text = f"{lost}, {ATTEMPTS} times. The system may have run out of memory."
            outcome = Failed(job, Reason.WORKER_LOST, text)
        except AtrousError:
            raise
        except Exception as error:
            outcome = Failed(job, Reason.ERROR, f"{type(error).__name__}: {error}")
        self._record(outcome)

    def _record(self, outcome: Outcome) -> None:
        score = self.plan.objective(outcome.values) if isinstance(outcome, Measured) else None
        entry = Entry(outcome, score, self._elapsed())
        self.ledger.record(entry, self._widths(outcome.trial.architecture))
        self._ended[outcome.trial.number] = entry
        self.watch(entry)
        unforeseen = isinstance(outcome, Failed) and outcome.reason in UNFORESEEN
        self._errors = self._errors + 1 if unforeseen else 0
        if self._errors == SAME_ERROR and isinstance(outcome, Failed):
            raise AtrousError(
                f"{SAME_ERROR} trials in a row ended in an unforeseen error, the last (trial "
                f"{outcome.trial.number}) in: {outcome.error}. This is a bug of the program or of "
                "an extension; the trials before are in the ledger."
            )

    def _widths(self, architecture: Architecture) -> dict[str, int]:
        """How many choices each decision had; a baseline may be of another space."""
        same = architecture.space == self.plan.space.name
        space = self.plan.space if same else find_space(architecture.space)
        return space.widths(architecture.genotype)


def search(
    plan: Plan, ledger: Ledger, estimator: Estimator, executor: Executor, watch: Watcher
) -> None:
    """Runs a plan to its end; trials the ledger already holds are not run again.

    A trial whose worker dies is begun up to 3 times. `watch` hears of each new entry. Raises
    `AtrousError` that a job raised, and when unforeseen errors do not cease.
    """
    Search(plan, ledger, estimator, executor, watch).run()
