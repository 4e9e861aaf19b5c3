"""The figures that a plan is made from are measured on what a run will do."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from atrous.core.config import ProxyConfig
from atrous.core.errors import AtrousError
from atrous.core.stage_config import WholeConfig
from atrous.estimation.cached import Proxy
from atrous.search.loop import Estimator
from atrous.search.run import Run
from atrous.stages import search as driver
from atrous.stages.train.trainer import TrainingJob
from atrous.stages.whole import plan
from atrous.stages.whole.plan import (
    Regime,
    Timing,
    best_split,
    measure_regimes,
    trial_seconds,
    workload_of,
)
from atrous.stages.whole.whole import jobs_to_time
from tests.small_search import write_data
from tests.stages.whole.small_run import quick, wish


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Estimator, WholeConfig]:
    """A run that has just begun."""
    folder = tmp_path_factory.mktemp("pace")
    asked = wish(write_data(folder / "data"), workers=3)
    with quick():
        run, estimator = driver.begin(asked.search, folder / "run", folder / "cache")
    return run, estimator, asked


@pytest.fixture(scope="module")
def jobs(begun: tuple[Run, Estimator, WholeConfig]) -> list[TrainingJob]:
    with quick():
        return jobs_to_time(begun[2])


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "cores", lambda: 1)


def test_a_trial_is_timed_and_nothing_is_kept(
    begun: tuple[Run, Estimator, WholeConfig],
) -> None:
    run, estimator, _ = begun
    before = sorted(run.path.iterdir())
    assert 0 < trial_seconds(run, estimator) < 60
    assert run.ledger().entries() == []
    assert sorted(run.path.iterdir()) == before


def test_the_steps_of_each_way_to_train_are_timed(
    begun: tuple[Run, Estimator, WholeConfig], jobs: list[TrainingJob]
) -> None:
    asked = begun[2].search.proxy
    assert {(job.protocol.frozen, job.compute.precision) for job in jobs} == {
        (0, "float32"),  # random weights are not kept as they are
        (0, "bfloat16"),
    }
    assert (jobs[0].protocol.batch, jobs[0].protocol.crop) == (2, (33, 49))
    found = measure_regimes(jobs, asked)
    assert all(0 < regime.step < 10 for regime in found.regimes)
    work = workload_of(jobs[0], asked)
    assert (work.batch, work.filters, work.crop) == (asked.batch, asked.filters, (33, 49))
    assert max(work.channels) == begun[2].search.encoder.output_stride


def test_the_first_steps_do_not_count(
    jobs: list[TrainingJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = jobs[0]
    steps, answers = (100.0, 150.0, 152.0, 154.0, 156.0), (160.0, 161.0, 161.5, 162.0, 162.5)
    again = [90.0, 98.0, *steps]
    ends = iter([*again, *again, *answers])
    monkeypatch.setattr(plan, "time", SimpleNamespace(monotonic=lambda: next(ends)))
    monkeypatch.setattr(plan, "step_seconds", lambda *_: 0.25)
    dataset, images, selection = job.samples()
    read, batch = len(images) + len(selection), job.protocol.batch
    kept = replace(job, protocol=replace(job.protocol, frozen=8, variants=3))
    found = measure_regimes([job, kept], replace(ProxyConfig(), steps=40))
    start = 8 / batch * len(images) * 3
    regimes = Regime(0, "float32", 10.0), Regime(8, "float32", 2.0, start)
    scored = len(dataset.splits["val"]) + len(dataset.splits["test"])
    assert found == Timing(regimes, 0.5 * scored, 0.5 * read, 10.0)


def test_all_of_a_network_learns_where_the_plan_leaves_enough_steps() -> None:
    kept, whole, slow = (
        Regime(8, "float32", 0.1),
        Regime(0, "float32", 0.5),
        Regime(0, "bfloat16", 0.7),
    )
    paces = Timing((kept, slow, whole), 0, 0, 0).paces(trial=0, workers=1)
    assert [pace.regime for pace in paces] == [whole, kept]
    enough = 0.5 * plan.UNFROZEN_STEPS + plan.PROOF
    assert best_split(enough - 1, paces, 0, 0, ()).regime == kept
    assert best_split(enough, paces, 0, 0, ()).regime == whole


def test_of_twenty_minutes_enough_is_left_to_train_all_of_a_network() -> None:
    """A training has more than the share that it has in a long run."""
    kept, whole = Regime(8, "bfloat16", 0.22, 19), Regime(0, "bfloat16", 0.42)
    paces = Timing((kept, whole), 10, 0, 0).paces(trial=13.6, workers=1)
    found = best_split(1200, paces, 57, 3, ("classic:fpn",), 3)
    assert found.regime == whole
    assert found.train_steps > 1.5 * plan.UNFROZEN_STEPS


def test_too_little_memory_is_told(
    jobs: list[TrainingJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(_: TrainingJob) -> Regime:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")

    monkeypatch.setattr(plan, "_regime", exhausted)
    with pytest.raises(AtrousError, match=r"Not enough memory on cpu .*CUDA out of memory\.\)"):
        measure_regimes(jobs, ProxyConfig())


def test_a_trial_that_fails_is_told(begun: tuple[Run, Estimator, WholeConfig]) -> None:
    run, estimator, _ = begun
    assert isinstance(estimator, Proxy)
    diverging = replace(estimator, schedule=replace(estimator.schedule, rate=1e30))
    with pytest.raises(AtrousError, match="A first trial, of dpc:aspp, failed: "):
        trial_seconds(run, diverging)
