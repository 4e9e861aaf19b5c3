"""What is trained: from a run, or by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.spaces import find_architecture
from atrous.stages.train.origin import FILTERS, Given, Origin, origin_of
from tests.report.runs import CONFIG, make_run, measured, reranked

SCORES = (0.2, 0.5, 0.4, 0.3)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run whose trial 1 is best."""
    return make_run(tmp_path / "streets", (measured(n, s) for n, s in enumerate(SCORES))).path


def test_a_run_gives_its_best_and_what_it_was_searched_on(run: Path) -> None:
    found = origin_of(str(run), None, Given())
    assert found == Origin(
        "trial 1 of streets",
        measured(1, 0.5).trial.architecture,
        CONFIG.data.path,
        CONFIG.data.select_on,
        CONFIG.encoder.backbone,
        CONFIG.encoder.weights,
        CONFIG.encoder.output_stride,
        CONFIG.proxy.filters,
    )


def test_the_best_of_a_re_ranking_keeps_the_number_it_had(run: Path) -> None:
    """The second study counts its own trials; the user knows the search's."""
    from atrous.search.run import open_run

    second = [
        measured(0, 0.9, "baseline dpc:aspp", "aspp"),
        measured(1, 0.3, "trial 1"),
        measured(2, 0.6, "trial 3"),
    ]
    reranked(open_run(run), second)
    found = origin_of(str(run), None, Given())
    assert found.name == "trial 3 of streets"
    assert found.architecture == measured(3, 0.3).trial.architecture


def test_another_trial_may_be_named(run: Path) -> None:
    found = origin_of(str(run), 2, Given())
    assert found.name == "trial 2 of streets"
    assert found.architecture == measured(2, 0.4).trial.architecture
    with pytest.raises(AtrousError, match=r"one of the 4 that have ended .* got 9"):
        origin_of(str(run), 9, Given())


def test_what_is_said_goes_before_what_the_run_had(run: Path) -> None:
    told = Given("/elsewhere", "0.1", "resnet50d", None, 8, 32)
    found = origin_of(str(run), None, told)
    assert (found.data, found.select_on, found.backbone) == ("/elsewhere", "0.1", "resnet50d")
    assert (found.output_stride, found.filters) == (8, 32)
    assert found.weights == "auto"
    assert origin_of(str(run), None, Given(weights="builtin")).weights == "builtin"


def test_a_run_is_called_by_its_folder_from_within_too(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run)
    assert origin_of(".", None, Given()).name == "trial 1 of streets"
    assert origin_of(os.curdir + "/", 0, Given()).name == "trial 0 of streets"


def test_a_name_needs_data_and_has_defaults() -> None:
    found = origin_of("dpc:top1", None, Given(data="streets"))
    assert found.architecture == find_architecture("dpc:top1")
    assert (found.name, found.data, found.select_on) == ("dpc:top1", "streets", "val")
    assert (found.output_stride, found.filters) == (16, FILTERS)
    with pytest.raises(AtrousError, match="Expected --data"):
        origin_of("dpc:top1", None, Given())


def test_a_trial_needs_a_run() -> None:
    with pytest.raises(AtrousError, match="--trial names a trial of a run"):
        origin_of("dpc:top1", 3, Given(data="streets"))


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match="Expected a run at"):
        origin_of(str(tmp_path), None, Given(data="streets"))


def test_nonsense_is_told() -> None:
    with pytest.raises(AtrousError, match="Expected an architecture, got 'runs/nowhere'"):
        origin_of("runs/nowhere", None, Given(data="streets"))


def test_a_run_without_scores_has_no_best(tmp_path: Path) -> None:
    run = make_run(tmp_path / "new", ())
    with pytest.raises(AtrousError, match="Expected a trial with a score"):
        origin_of(str(run.path), None, Given())
