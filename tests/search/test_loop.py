"""The loop of a search: reproducible, resumable, and calm about what goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import replace
from functools import cache
from hashlib import blake2b
from math import inf
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import optuna
import pytest

from atrous.core.architecture import Architecture, Genotype
from atrous.core.errors import AtrousError
from atrous.core.trial import Failed, Job, Measured, Outcome, Reason, details_of, values_of
from atrous.execution.executor import (
    FLOOR,
    LOOK,
    TIMES,
    Executor,
    InlineExecutor,
    Patience,
    WorkerLostError,
)
from atrous.execution.local import LocalExecutor
from atrous.search import history, loop
from atrous.search.ledger import Entry, Ledger, file_url
from atrous.search.loop import SearchPlan, Watcher, baseline_trials, search
from atrous.search.promotion import FullBudget
from atrous.spaces import find_space
from atrous.spaces.dpc.space import dpc
from atrous.strategies.local import LocalSearch
from atrous.strategies.strategy import Stateless
from atrous.strategies.uniform import uniform
from atrous.tasks import USUAL
from tests.execution import jobs
from tests.executors import Pick, Reordering
from tests.processes import is_alive, pids
from tests.records import metrics
from tests.search.simulated import VirtualExecutor
from tests.strategies.learning import Preferences, Preferring

SPACE = dpc()
BASELINES = baseline_trials(["dpc:aspp", "dpc:top1"], 11)
PLAN = SearchPlan(
    space=SPACE,
    strategy=Stateless(LocalSearch(warmup=5)),
    promotion=FullBudget(7),
    listed=BASELINES,
    objective=USUAL.objective("miou"),
    trials=13,
    seed=11,
    workers=1,
)
SMALL = replace(PLAN, space=dpc(2), listed=(), trials=6)


def score_of(architecture: Architecture) -> float:
    digest = blake2b(str(architecture).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32


def estimate(job: Job) -> Outcome:
    """A score that depends on the architecture alone; baselines are better than all others."""
    found = metrics(score_of(job.architecture) + 2 * job.trial.is_baseline)
    return Measured(job, values_of(found), details_of(found), 1.0)


def opened(path: Path) -> Ledger:
    return Ledger(file_url(path), "search")


@cache
def blank() -> bytes:
    """An empty ledger, whose making takes longer than most searches here."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        Ledger.create(file_url(path), "search")
        return path.read_bytes()


def run(
    plan: SearchPlan,
    path: Path,
    executor: Executor | None = None,
    estimator: Callable[[Job], Outcome] = estimate,
    watch: Watcher = lambda _: None,
) -> list[Entry]:
    if not path.exists():
        path.write_bytes(blank())
    ledger = opened(path)
    search(plan, ledger, estimator, executor or InlineExecutor(), watch)
    return ledger.entries()


def outcomes(entries: list[Entry]) -> list[Outcome]:
    """What must be equal between searches: all but the time of the record."""
    return [entry.outcome for entry in entries]


class Stopper:
    """Interrupts after some entries."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, _: Entry) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


class Losing:
    """Loses the worker of given trials so many times, and runs the others."""

    def __init__(self, losses: dict[int, int]) -> None:
        self.losses = losses
        self.begun: list[int] = []

    def __call__(self, job: Job) -> Outcome:
        self.begun.append(job.trial.number)
        if self.losses.get(job.trial.number, 0):
            self.losses[job.trial.number] -= 1
            raise WorkerLostError("the worker process ended with exit code -9")
        return estimate(job)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    """An uninterrupted search with one worker."""
    return run(PLAN, tmp_path_factory.mktemp("whole") / "ledger.db")


def test_it_runs_baselines_first_and_then_what_the_strategy_proposes(whole: list[Entry]) -> None:
    trials = [entry.trial for entry in whole]
    assert [trial.number for trial in trials] == list(range(15))
    assert [str(trial.origin) for trial in trials[:2]] == ["baseline dpc:aspp", "baseline dpc:top1"]
    assert trials[:2] == BASELINES
    assert not any(trial.is_baseline for trial in trials[2:])
    assert {(entry.outcome.job.steps, entry.trial.seed) for entry in whole} == {(7, 11)}
    assert outcomes(whole) == [estimate(entry.outcome.job) for entry in whole]


def test_baselines_are_no_parents(whole: list[Entry]) -> None:
    parents = {number for entry in whole for number in entry.trial.origin.parents}
    assert parents
    assert not parents & {0, 1}


def test_the_watcher_hears_of_each_entry_once(tmp_path: Path) -> None:
    heard: list[Entry] = []
    found = run(SMALL, tmp_path / "ledger.db", watch=heard.append)
    assert [entry.trial for entry in heard] == [entry.trial for entry in found]
    elapsed = [entry.elapsed for entry in found]
    assert elapsed == sorted(elapsed)


def test_the_seed_decides(tmp_path: Path, whole: list[Entry]) -> None:
    again = run(PLAN, tmp_path / "again.db")
    other = run(replace(PLAN, seed=12), tmp_path / "other.db")
    assert outcomes(again) == outcomes(whole)
    mine, others = ({e.trial.architecture for e in found[2:]} for found in (whole, other))
    assert not mine & others


@pytest.mark.parametrize("stops", [(1,), (6, 1, 5), (14,)])
def test_interrupted_and_resumed_equals_uninterrupted(
    tmp_path: Path, whole: list[Entry], stops: tuple[int, ...]
) -> None:
    path = tmp_path / "ledger.db"
    for after in stops:
        with pytest.raises(KeyboardInterrupt):
            run(PLAN, path, watch=Stopper(after))
    assert len(opened(path).entries()) == sum(stops)
    assert outcomes(run(PLAN, path)) == outcomes(whole)


def test_a_complete_search_runs_nothing_again(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    complete = run(SMALL, path)
    counting = Losing({})
    assert run(SMALL, path, estimator=counting) == complete
    assert counting.begun == []


PICKS: list[Pick] = [min, max, Random(0).choice]


@pytest.fixture(scope="module")
def parallel(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    """An uninterrupted search with three workers that end in order."""
    with Reordering(min) as executor:
        path = tmp_path_factory.mktemp("parallel") / "ledger.db"
        return run(replace(PLAN, workers=3, reproducible=True), path, executor)


@pytest.mark.parametrize("pick", PICKS)
def test_the_order_in_which_workers_end_changes_nothing(
    tmp_path: Path, parallel: list[Entry], pick: Pick
) -> None:
    path, plan = tmp_path / "ledger.db", replace(PLAN, workers=3, reproducible=True)
    with Reordering(pick) as executor:
        assert outcomes(run(plan, path, executor)) == outcomes(parallel)


@pytest.mark.parametrize("pick", PICKS)
def test_three_workers_interrupted_and_resumed_equal_uninterrupted(
    tmp_path: Path, parallel: list[Entry], pick: Pick
) -> None:
    path, plan = tmp_path / "ledger.db", replace(PLAN, workers=3, reproducible=True)
    for after in (3, 5):
        with Reordering(pick) as executor, pytest.raises(KeyboardInterrupt):
            run(plan, path, executor, watch=Stopper(after))
    with Reordering(pick) as executor:
        assert outcomes(run(plan, path, executor)) == outcomes(parallel)


@pytest.mark.parametrize("workers", [1, 3])
def test_as_many_trials_run_at_a_time_as_there_are_workers(tmp_path: Path, workers: int) -> None:
    with Reordering(max, hold=workers) as executor:
        run(replace(SMALL, workers=workers), tmp_path / "ledger.db", executor)
        assert executor.peak == workers


def test_an_exhausted_space_ends_the_search(tmp_path: Path) -> None:
    plan = replace(PLAN, space=dpc(1), listed=(), trials=100, workers=2)
    found = run(plan, tmp_path / "ledger.db")
    assert sorted(entry.trial.architecture.genotype for entry in found) == sorted(dpc(1).all())


def merged(genotype: Genotype) -> Genotype:
    return (genotype[0], genotype[1] // 4)


def test_what_has_one_canonical_form_runs_once(tmp_path: Path) -> None:
    space = replace(dpc(1), canonical=merged)
    plan = replace(PLAN, space=space, strategy=Stateless(uniform), listed=(), trials=100)
    found = run(plan, tmp_path / "ledger.db")
    forms = [merged(entry.trial.architecture.genotype) for entry in found]
    assert len(forms) == len(set(forms)) == 21


def test_a_baseline_of_another_space_is_recorded_with_its_own_choices(tmp_path: Path) -> None:
    plan = replace(SMALL, listed=BASELINES, trials=2)
    path = tmp_path / "ledger.db"
    spaces = [entry.trial.architecture.space for entry in run(plan, path)]
    assert spaces == ["dpc", "dpc", "dpc-2", "dpc-2"]
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{path}")
    assert [len(trial.params) for trial in study.get_trials()] == [9, 9, 3, 3]


def test_a_baseline_of_another_size_is_no_hindrance_and_a_resumed_search_goes_on(
    tmp_path: Path,
) -> None:
    """Twelve layers beside three: the form of one is no genotype of the other."""
    space = find_space("auto_deeplab-3x1")
    listed = baseline_trials(["auto_deeplab:published"], 11)
    plan, path = replace(SMALL, space=space, listed=listed, trials=3), tmp_path / "ledger.db"
    with pytest.raises(KeyboardInterrupt):
        run(plan, path, watch=Stopper(2))
    found = run(plan, path)
    assert [entry.trial.architecture.space for entry in found] == [
        "auto_deeplab",
        *[space.name] * 3,
    ]


class Clock:
    """Tells the time that has passed in trials alone, ten seconds each."""

    def __init__(self) -> None:
        self.now = 1e6

    def monotonic(self) -> float:
        return self.now

    def estimate(self, job: Job) -> Outcome:
        self.now += 10
        return estimate(job)


def test_no_trial_begins_after_the_time_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, path = Clock(), tmp_path / "ledger.db"
    monkeypatch.setattr("atrous.search.loop.time", SimpleNamespace(monotonic=clock.monotonic))
    plan = replace(SMALL, seconds=25.0)
    found = run(plan, path, estimator=clock.estimate)
    assert [entry.elapsed for entry in found] == [10, 20, 30]
    clock.now += 1000
    assert len(run(plan, path, estimator=clock.estimate)) == 3
    assert len(run(replace(plan, seconds=None), path, estimator=clock.estimate)) == 6


def test_a_pause_between_resumptions_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, plan = tmp_path / "ledger.db", replace(SMALL, seconds=35.0)
    for after in (1, 2, 9):
        clock = Clock()
        monkeypatch.setattr("atrous.search.loop.time", SimpleNamespace(monotonic=clock.monotonic))
        with suppress(KeyboardInterrupt):
            run(plan, path, estimator=clock.estimate, watch=Stopper(after))
    found = opened(path).entries()
    assert [entry.elapsed for entry in found] == [10, 20, 30, 40]


def test_a_trial_whose_worker_is_lost_is_begun_again(tmp_path: Path) -> None:
    losing = Losing({1: 2})
    found = run(SMALL, tmp_path / "ledger.db", estimator=losing)
    assert losing.begun == [0, 1, 1, 1, 2, 3, 4, 5]
    assert outcomes(found) == [estimate(entry.outcome.job) for entry in found]


def test_a_trial_whose_worker_is_lost_three_times_has_failed(tmp_path: Path) -> None:
    losing = Losing({1: 3})
    found = run(SMALL, tmp_path / "ledger.db", estimator=losing)
    assert losing.begun == [0, 1, 1, 1, 2, 3, 4, 5]
    assert [entry.trial.number for entry in found] == list(range(6))
    lost = found[1].outcome
    assert isinstance(lost, Failed)
    assert lost.reason is Reason.WORKER_LOST
    assert "exit code -9, 3 times" in lost.error


def failing(numbers: set[int]) -> Callable[[Job], Outcome]:
    def estimator(job: Job) -> Outcome:
        if job.trial.number in numbers:
            raise LookupError("a part is missing")
        return estimate(job)

    return estimator


def test_three_unforeseen_errors_in_a_row_stop_the_search(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    message = r"3 trials in a row .*\(trial 4\) in: LookupError: a part is missing.*bug"
    with pytest.raises(AtrousError, match=message):
        run(SMALL, path, estimator=failing({2, 3, 4}))
    found = opened(path).entries()
    assert [isinstance(entry.outcome, Failed) for entry in found] == [False] * 2 + [True] * 3


def test_errors_with_successes_between_do_not_stop_it(tmp_path: Path) -> None:
    found = run(SMALL, tmp_path / "ledger.db", estimator=failing({0, 1, 3, 4}))
    reasons = [e.outcome.reason for e in found if isinstance(e.outcome, Failed)]
    assert len(found) == 6
    assert reasons == [Reason.ERROR] * 4


def test_foreseen_failures_never_stop_it(tmp_path: Path) -> None:
    def diverge(job: Job) -> Outcome:
        return Failed(job, Reason.NON_FINITE, "Training diverged")

    found = run(replace(PLAN, trials=8), tmp_path / "ledger.db", estimator=diverge)
    assert len(found) == 10


def test_an_error_of_the_user_stops_it_at_once(tmp_path: Path) -> None:
    def refuse(job: Job) -> Outcome:
        if job.trial.number == 2:
            raise AtrousError("The features are gone.")
        return estimate(job)

    path = tmp_path / "ledger.db"
    with pytest.raises(AtrousError, match="The features are gone"):
        run(SMALL, path, estimator=refuse)
    assert [entry.trial.number for entry in opened(path).entries()] == [0, 1]
    assert len(run(SMALL, path)) == 6


def test_a_free_search_waits_for_no_slower_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first trial ends last, and each other knows all that ended before it was proposed."""
    path, durations = tmp_path / "ledger.db", iter([1000, *[1] * 14])
    executor = VirtualExecutor(lambda: next(durations), 3, 15)
    monkeypatch.setattr(loop, "wait", executor.wait)
    run(replace(PLAN, workers=3), path, executor)
    recorded = opened(path).recorded()
    assert recorded[-1].trial.number == 0
    known = {entry.trial.number: entry.trial.knows for entry in recorded}
    assert sorted(known) == list(range(15))
    assert all(known[number] == number - 2 for number in range(3, 15))


def test_a_free_search_goes_on_from_what_is_recorded(tmp_path: Path) -> None:
    path, plan = tmp_path / "ledger.db", replace(PLAN, workers=3)
    for after in (3, 5):
        with Reordering(max) as executor, pytest.raises(KeyboardInterrupt):
            run(plan, path, executor, watch=Stopper(after))
    before = opened(path).recorded()
    with Reordering(max) as executor:
        found = run(plan, path, executor)
    assert opened(path).recorded()[: len(before)] == before
    assert [entry.trial.number for entry in found] == list(range(15))
    forms = [SPACE.canonical(entry.trial.architecture.genotype) for entry in found]
    assert len(set(forms)) == 15


def test_a_learning_strategy_is_killed_and_goes_on_with_what_it_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "EVERY", 10)
    plan = replace(PLAN, trials=22, strategy=Preferring())
    whole = run(plan, tmp_path / "whole.db")
    path = tmp_path / "killed.db"
    for after in (11, 10):
        with pytest.raises(KeyboardInterrupt):
            run(replace(plan, strategy=Preferring()), path, watch=Stopper(after))
    last = Preferring()
    assert outcomes(run(replace(plan, strategy=last), path)) == outcomes(whole)
    assert last.learnt == 24 - 20, "only what came after the kept state is learnt again"


def test_a_state_that_knows_too_much_is_not_taken(tmp_path: Path) -> None:
    path, plan = tmp_path / "ledger.db", replace(PLAN, trials=8, strategy=Preferring())
    expected = outcomes(run(plan, tmp_path / "whole.db"))
    path.write_bytes(blank())
    opened(path).keep(99, Preferences({"0.0": (1e3, 1)}))
    assert outcomes(run(replace(plan, strategy=Preferring()), path)) == expected


def test_what_ended_together_is_kept_when_one_of_it_raises(tmp_path: Path) -> None:
    """Three jobs have ended before anyone looks; the first of them raises."""

    def refuse(job: Job) -> Outcome:
        if job.trial.number == 0:
            raise AtrousError("The features are gone.")
        return estimate(job)

    path, plan = tmp_path / "ledger.db", replace(SMALL, workers=3)
    with pytest.raises(AtrousError, match="The features are gone"):
        run(plan, path, estimator=refuse)
    assert [entry.trial.number for entry in opened(path).entries()] == [1, 2]
    assert len(run(plan, path)) == 6


def test_what_ended_together_is_kept_by_the_real_executor(tmp_path: Path) -> None:
    """Both jobs end while the driver is busy, and it looks at the one that raises first."""
    path, plan = tmp_path / "ledger.db", replace(SMALL, workers=2)
    with LocalExecutor(2) as executor:
        together = Together(executor, 2)
        with pytest.raises(AtrousError, match="The features are gone"):
            run(plan, path, together, jobs.Refusing(0))
    assert [entry.trial.number for entry in opened(path).entries()] == [1]


class Together:
    """An executor whose first jobs have all ended when the last of them is submitted."""

    def __init__(self, executor: Executor, count: int) -> None:
        self._executor, self._count = executor, count
        self._begun: list[Future[Any]] = []

    def submit(self, job: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self._begun.append(self._executor.submit(job, *args, **kwargs))
        if len(self._begun) == self._count:
            wait(self._begun)
        return self._begun[-1]

    def __enter__(self) -> Together:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("reproducible", [False, True])
def test_what_the_machine_ended_is_run_again_when_the_search_goes_on(
    tmp_path: Path, whole: list[Entry], reproducible: bool
) -> None:
    path, plan = tmp_path / "ledger.db", replace(PLAN, reproducible=reproducible)

    def trouble(job: Job) -> Outcome:
        if job.trial.number == 3:
            raise OSError(28, "No space left on device")
        if job.trial.number == 5:
            raise WorkerLostError("the worker process ended with exit code -9")
        if job.trial.number == 7:
            return Failed(job, Reason.NON_FINITE, "Training diverged")
        return estimate(job)

    first = run(plan, path, estimator=trouble)
    failed = {e.trial.number: e.outcome for e in first if isinstance(e.outcome, Failed)}
    assert sorted(failed) == [3, 5, 7]
    losing = Losing({})
    found = run(plan, path, estimator=losing)
    assert losing.begun == [3, 5]
    assert [entry.trial for entry in found] == [entry.trial for entry in first]
    assert [e.trial.number for e in found if isinstance(e.outcome, Failed)] == [7]
    assert [entry.trial.number for entry in found] == list(range(len(whole)))
    assert run(plan, path, estimator=losing) == found
    assert losing.begun == [3, 5]


def test_nobody_learns_from_what_the_machine_ended(tmp_path: Path) -> None:
    found = run(SMALL, tmp_path / "ledger.db", estimator=failing({0, 1}))
    assert [entry.trial.knows for entry in found] == [0, 0, 0, 1, 2, 3]


def test_a_job_that_hangs_is_ended_and_run_again_when_the_search_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the processes stands still; the other one goes on, and the search ends."""
    monkeypatch.setattr("atrous.execution.executor.FLOOR", 3.0)
    monkeypatch.setattr("atrous.execution.executor.LOOK", 0.2)
    monkeypatch.setattr("atrous.search.loop.LOOK", 0.1)
    path, plan = tmp_path / "ledger.db", replace(SMALL, workers=2)
    with LocalExecutor(2) as executor:
        found = run(plan, path, executor, jobs.Hanging(2, tmp_path))
    assert [entry.trial.number for entry in found] == list(range(6))
    (lost,) = (e.outcome for e in found if isinstance(e.outcome, Failed))
    assert lost.trial.number == 2
    assert lost.reason is Reason.WORKER_LOST
    assert "far longer than any trial before" in lost.error
    assert not any(map(is_alive, pids(tmp_path)))
    again = run(plan, path)
    assert not any(isinstance(entry.outcome, Failed) for entry in again)


def seconds_until_overdue(patience: Patience, size: float, stride: float) -> float:
    """How long a job may run where somebody looks every `stride` seconds, a million at most."""
    future = Future[None]()
    future.set_running_or_notify_cancel()
    now = begun = stride
    while now < 1e6:
        if patience.overdue([(future, size)], now):
            return now - begun
        now += stride
    return inf


def test_patience_is_that_of_the_slowest_by_its_size_and_sleep_is_not_counted() -> None:
    assert seconds_until_overdue(Patience(), 100, LOOK) == inf
    for size in (100, 400):
        allowed = TIMES * 4.0 * size / 100 + FLOOR
        for stride in (LOOK, 3600):
            patience = Patience()
            patience.learn(4.0, 100)
            patience.learn(1.0, 100)
            found = seconds_until_overdue(patience, size, stride)
            counted = found if stride == LOOK else 2 * LOOK * found / stride
            assert allowed < counted <= allowed + 2 * LOOK
