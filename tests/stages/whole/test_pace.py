"""The two figures that a plan is made from are measured on what a run will do."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from atrous.core.errors import AtrousError
from atrous.estimation.cached import Proxy
from atrous.search.loop import Estimator
from atrous.search.run import Run
from atrous.stages import search as driver
from atrous.stages.train.config import job_of
from atrous.stages.train.trainer import TrainingJob
from atrous.stages.whole import plan
from atrous.stages.whole.plan import measure_pace
from atrous.stages.whole.whole import STEPS, training_of, yardstick_of
from tests.small_search import write_data
from tests.stages.whole.small_run import quick, wish


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Estimator, TrainingJob]:
    """A run that has just begun, and the training whose steps are timed."""
    folder = tmp_path_factory.mktemp("pace")
    asked = wish(write_data(folder / "data"), workers=3)
    with quick():
        run, estimator = driver.begin(asked.search, folder / "run", folder / "cache")
        return (
            run,
            estimator,
            job_of(training_of(run, yardstick_of(run.config.space), STEPS, asked)),
        )


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "cores", lambda: 1)


def test_a_trial_and_a_step_are_timed_and_nothing_is_kept(
    begun: tuple[Run, Estimator, TrainingJob],
) -> None:
    run, estimator, job = begun
    assert (job.protocol.batch, job.protocol.crop, job.protocol.steps) == (2, (33, 49), 1000)
    before = sorted(run.path.iterdir())
    measured = measure_pace(run, estimator, job)
    assert 0 < measured.trial < 60
    assert 0 < measured.step < 10
    assert measured.workers == 3
    assert run.ledger().entries() == []
    assert sorted(run.path.iterdir()) == before


def test_the_first_steps_do_not_count(
    begun: tuple[Run, Estimator, TrainingJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, training, job = begun
    del training
    steps, answers = (100.0, 150.0, 152.0, 154.0, 156.0), (160.0, 161.0, 161.5, 162.0, 162.5)
    ends = iter([90.0, 98.0, *steps, *answers])
    monkeypatch.setattr(plan, "time", SimpleNamespace(monotonic=lambda: next(ends)))
    dataset, images, _ = job.samples()
    scored = len(dataset.splits["val"]) + len(dataset.splits["test"])
    protocol = replace(job.protocol, frozen=8, variants=3)
    found = plan.training_seconds(replace(job, protocol=protocol))
    assert found == (2.0, 8 / protocol.batch * len(images) * 3, 0.5 * scored)
    ends = iter([90.0, 98.0, *steps, *answers])
    whole = replace(job.protocol, frozen=0, variants=0)
    assert plan.training_seconds(replace(job, protocol=whole)) == (10.0, 0.0, 0.5 * scored)


def test_too_little_memory_is_told(
    begun: tuple[Run, Estimator, TrainingJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(_: TrainingJob) -> tuple[float, float, float]:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")

    monkeypatch.setattr(plan, "training_seconds", exhausted)
    with pytest.raises(AtrousError, match=r"Not enough memory on cpu .*CUDA out of memory\.\)"):
        measure_pace(*begun)


def test_a_trial_that_fails_is_told(begun: tuple[Run, Estimator, TrainingJob]) -> None:
    run, estimator, job = begun
    assert isinstance(estimator, Proxy)
    diverging = replace(estimator, schedule=replace(estimator.schedule, rate=1e30))
    with pytest.raises(AtrousError, match="A first trial, of dpc:aspp, failed: "):
        measure_pace(run, diverging, job)
