"""The estimator of re-ranking."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.core.trial import (
    Failed,
    Job,
    Measured,
    Origin,
    Reason,
    Rung,
    Trial,
    details_of,
    values_of,
)
from atrous.data.dataset import Samples, select
from atrous.data.layouts import read_dataset
from atrous.estimation import end_to_end as module
from atrous.estimation.end_to_end import FineTune
from atrous.networks import compute
from atrous.spaces import find_architecture
from atrous.training import loop
from atrous.training.checkpoint import load
from tests.small_search import write_data
from tests.training.material import (
    BLUEPRINT,
    COMPUTE,
    Interruption,
    StoppedError,
    protocol,
    run,
    state,
)
from tests.training.test_checkpoint import no_room

TRIAL = Trial(3, BLUEPRINT.architecture, Origin("trial", (7,)), 2)
JOB = Job(TRIAL, Rung(0, 6))


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Samples, Samples]:
    """The training and the selection samples of a small data set."""
    data = write_data(tmp_path_factory.mktemp("end-to-end") / "data")
    return select(read_dataset(data), "val")


@pytest.fixture
def estimator(samples: tuple[Samples, Samples], tmp_path: Path) -> FineTune:
    template = replace(BLUEPRINT, architecture=find_architecture("dpc:aspp"))
    return FineTune(template, "none", *samples, protocol(), COMPUTE, tmp_path / "work")


def measured(outcome: object) -> Measured:
    assert isinstance(outcome, Measured)
    return outcome


def test_a_trial_is_trained_and_scored_once_at_its_end(
    estimator: FineTune, samples: tuple[Samples, Samples], tmp_path: Path
) -> None:
    found = measured(pickle.loads(pickle.dumps(estimator))(JOB))
    expected = run(
        state(protocol(steps=6, score_every=6, seed=2), seed=2), samples, tmp_path / "direct"
    )
    assert (found.job, found.values, found.details) == (
        JOB,
        values_of(expected),
        details_of(expected),
    )
    assert found.seconds > 0
    assert not list((tmp_path / "work").glob("*"))


def test_an_interrupted_trial_goes_on(
    estimator: FineTune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = measured(estimator(JOB))
    monkeypatch.setattr(loop, "SAVE_SECONDS", -1)
    monkeypatch.setattr(module, "untracked", Interruption(4))
    with pytest.raises(StoppedError):
        estimator(JOB)
    assert load(tmp_path / "work" / "3" / loop.CHECKPOINT).record["step"] == 4
    monkeypatch.setattr(module, "untracked", Interruption(3))
    found = measured(estimator(JOB))
    assert replace(found, seconds=0.0) == replace(expected, seconds=0.0)


def test_divergence_is_a_record_and_leaves_nothing_behind(
    estimator: FineTune, tmp_path: Path
) -> None:
    wild = replace(estimator, protocol=protocol(rate=1e9))
    found = wild(JOB)
    assert isinstance(found, Failed)
    assert found.reason == Reason.NON_FINITE
    assert "Lower --rate" in found.error
    assert not list((tmp_path / "work").glob("*"))


def test_a_network_that_no_machine_holds_is_a_record(
    estimator: FineTune, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute, "machine_memory", lambda: 1000)
    outcome = estimator(JOB)
    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.OUT_OF_MEMORY
    assert outcome.error.startswith("Not enough memory on cpu for a training step of ")


def test_a_full_disk_is_no_failure_of_the_candidate(estimator: FineTune) -> None:
    with no_room(), pytest.raises(AtrousError, match="Make room on the disk"):
        estimator(JOB)


def test_candidates_differ_in_their_cell_alone(estimator: FineTune) -> None:
    trial = replace(TRIAL, number=4, architecture=find_architecture("dpc-2:0.0.0.65"))
    other = replace(JOB, trial=trial)
    assert measured(estimator(other)).details != measured(estimator(JOB)).details
