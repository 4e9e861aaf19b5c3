"""What is trained: from a run, or by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from atrous.core.config import DataConfig, EncoderConfig
from atrous.core.errors import AtrousError
from atrous.core.stage_config import TrainConfig, TrainingConfig
from atrous.spaces import find_architecture
from atrous.stages.train import config as training_config
from atrous.stages.train.config import Subject, subject_of
from tests.report.runs import CONFIG, make_run, measured, reranked

SCORES = (0.2, 0.5, 0.4, 0.3)


@pytest.fixture(autouse=True)
def _records_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of these tests are records; the data sets that they name were never there."""
    monkeypatch.setattr(training_config, "require_there", lambda _: None)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run whose trial 1 is best."""
    return make_run(tmp_path / "streets", (measured(n, s) for n, s in enumerate(SCORES))).path


def test_a_run_gives_its_best_and_what_it_was_searched_on(run: Path) -> None:
    found = subject_of(str(run), None, {})
    training = TrainingConfig(score="miou")
    config = TrainConfig(CONFIG.data, CONFIG.encoder, CONFIG.proxy.filters, training=training)
    assert found == Subject("trial 1 of streets", measured(1, 0.5).trial.architecture, config)


def test_the_best_of_a_re_ranking_keeps_the_number_it_had(run: Path) -> None:
    """The second study counts its own trials; the user knows the search's."""
    from atrous.search.run import open_run

    second = [
        measured(0, 0.9, "baseline dpc:aspp", "aspp"),
        measured(1, 0.3, "trial 1"),
        measured(2, 0.6, "trial 3"),
    ]
    reranked(open_run(run), second)
    found = subject_of(str(run), None, {})
    assert found.name == "trial 3 of streets"
    assert found.architecture == measured(3, 0.3).trial.architecture


def test_another_trial_may_be_named(run: Path) -> None:
    found = subject_of(str(run), 2, {})
    assert found.name == "trial 2 of streets"
    assert found.architecture == measured(2, 0.4).trial.architecture
    with pytest.raises(AtrousError, match=r"one of the 4 that have ended .* got 9"):
        subject_of(str(run), 9, {})


def test_what_is_said_goes_before_what_the_run_had(run: Path) -> None:
    told = {
        "data": "/elsewhere",
        "select_on": "0.1",
        "backbone": "resnet50d",
        "output_stride": 8,
        "filters": 32,
    }
    found = subject_of(str(run), None, told)
    assert found.config.data == DataConfig("/elsewhere", "0.1")
    assert found.config.encoder == EncoderConfig("resnet50d", "auto", 8)
    assert found.config.filters == 32
    assert subject_of(str(run), None, {"weights": "builtin"}).config.encoder.weights == "builtin"


def test_a_run_is_called_by_its_folder_from_within_too(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run)
    assert subject_of(".", None, {}).name == "trial 1 of streets"
    assert subject_of(os.curdir + "/", 0, {}).name == "trial 0 of streets"


def test_a_name_needs_data_and_has_defaults() -> None:
    found = subject_of("dpc:top1", None, {"data": "streets"})
    assert found.architecture == find_architecture("dpc:top1")
    assert (found.name, found.config.data) == ("dpc:top1", DataConfig("streets", "val"))
    assert (found.config.encoder.output_stride, found.config.filters) == (16, 256)
    with pytest.raises(AtrousError, match="Expected --data"):
        subject_of("dpc:top1", None, {})


def test_a_trial_needs_a_run() -> None:
    with pytest.raises(AtrousError, match="--trial names a trial of a run"):
        subject_of("dpc:top1", 3, {"data": "streets"})


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match="Expected a run at"):
        subject_of(str(tmp_path), None, {"data": "streets"})


def test_nonsense_is_told() -> None:
    with pytest.raises(AtrousError, match="Expected an architecture, got 'runs/nowhere'"):
        subject_of("runs/nowhere", None, {"data": "streets"})


def test_a_run_without_scores_has_no_best(tmp_path: Path) -> None:
    run = make_run(tmp_path / "new", ())
    with pytest.raises(AtrousError, match="Expected a trial with a score"):
        subject_of(str(run.path), None, {})
