"""The estimator of re-ranking."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.core.trial import Failed, Measured, Reason, Trial
from atrous.data.dataset import Samples
from atrous.estimation import end_to_end as module
from atrous.estimation.end_to_end import FineTune
from atrous.spaces import find_architecture
from atrous.training import loop
from atrous.training.checkpoint import load
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

TRIAL = Trial(3, BLUEPRINT.architecture, "trial 7", 6, 2)


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
    found = measured(pickle.loads(pickle.dumps(estimator))(TRIAL))
    expected = run(
        state(protocol(steps=6, score_every=6, seed=2), seed=2), samples, tmp_path / "direct"
    )
    assert (found.trial, found.score, found.metrics) == (TRIAL, expected.miou, expected)
    assert found.seconds > 0
    assert not list((tmp_path / "work").glob("*"))


def test_an_interrupted_trial_goes_on(
    estimator: FineTune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = measured(estimator(TRIAL))
    monkeypatch.setattr(loop, "SAVE_SECONDS", -1)
    monkeypatch.setattr(module, "untracked", Interruption(4))
    with pytest.raises(StoppedError):
        estimator(TRIAL)
    assert load(tmp_path / "work" / "3" / loop.CHECKPOINT).record["step"] == 4
    monkeypatch.setattr(module, "untracked", Interruption(3))
    found = measured(estimator(TRIAL))
    assert replace(found, seconds=0.0) == replace(expected, seconds=0.0)


def test_divergence_is_a_record_and_leaves_nothing_behind(
    estimator: FineTune, tmp_path: Path
) -> None:
    wild = replace(estimator, protocol=protocol(rate=1e9))
    found = wild(TRIAL)
    assert isinstance(found, Failed)
    assert found.reason == Reason.NON_FINITE
    assert "Lower --rate" in found.error
    assert not list((tmp_path / "work").glob("*"))


def test_a_full_disk_is_no_failure_of_the_candidate(estimator: FineTune) -> None:
    with no_room(), pytest.raises(AtrousError, match="Make room on the disk"):
        estimator(TRIAL)


def test_candidates_differ_in_their_cell_alone(estimator: FineTune) -> None:
    other = replace(TRIAL, number=4, architecture=find_architecture("dpc-2:0.0.0.65"))
    assert measured(estimator(other)).metrics != measured(estimator(TRIAL)).metrics
