"""The files of a whole run, as a report reads them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.report.trained import read_timetable, read_trained
from atrous.stages.whole.plan import split, write_plan
from tests.report.trainings import CROP, STEPS, write_trained
from tests.stages.whole.small_run import paced

ARCHITECTURE = "dpc:0.17.1.3.0.5.2.60.0.80"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A training run with all that belongs to it."""
    return write_trained(tmp_path, "best", ARCHITECTURE, 0.6, rows=1)


def test_everything_is_read(tmp_path: Path, folder: Path) -> None:
    (found,) = read_trained(tmp_path)
    assert (found.name, found.label) == ("best", "the name it was given")
    assert (found.architecture, found.crop) == (ARCHITECTURE, tuple(CROP))
    assert (found.parameters, found.multiply_adds) == (3_546_000, 1_910_000_000)
    assert found.model == folder / "model"
    assert [score.step for score in found.scores][-1] == STEPS
    assert [one.split for one in found.evaluations] == ["val", "test"]
    assert [sheet.title for sheet in found.sheets] == [
        "my street, test, scale 1",
        "my street, val, scale 1",
    ]
    assert [(t.runtime, t.median_ms, t.quartiles_ms) for t in found.timings] == [
        ("pytorch", 41.5, (40.5, 42.5)),
        ("onnxruntime", 23.42, (22.42, 24.42)),
    ]
    assert found.exported is not None
    assert (found.exported.difference, found.exported.size) == (2e-6, 13_900_000)


def test_an_exported_file_is_named_where_it_lies_now(tmp_path: Path, folder: Path) -> None:
    before = read_trained(tmp_path)[0].exported
    content = json.loads((folder / "export.json").read_text())
    (folder / "export.json").write_text(json.dumps(content | {"path": "elsewhere/model.onnx"}))
    gone = read_trained(tmp_path)[0].exported
    (folder / "model.onnx").touch()
    here = read_trained(tmp_path)[0].exported
    assert before is not None
    assert gone is not None
    assert here is not None
    assert (gone.path, here.path) == ("elsewhere/model.onnx", str(folder / "model.onnx"))


def test_a_network_in_training_has_a_curve_and_no_model(tmp_path: Path, folder: Path) -> None:
    for name in ("model.json", "evaluation.json"):
        (folder / "model" / name).unlink()
    (found,) = read_trained(tmp_path)
    assert found.model is None
    assert (found.parameters, found.multiply_adds, found.crop) == (None, None, None)
    assert found.architecture == ARCHITECTURE
    assert len(found.scores) == 10


def test_a_model_alone_is_enough(tmp_path: Path, folder: Path) -> None:
    for name in ("training.json", "log.jsonl", "latency.json", "export.json"):
        (folder / name).unlink()
    (found,) = read_trained(tmp_path)
    assert found.model is not None
    assert (found.scores, found.timings, found.exported) == ((), (), None)


def test_folders_without_a_training_are_left_out(tmp_path: Path) -> None:
    assert read_trained(tmp_path) == []
    (tmp_path / "trained" / "notes").mkdir(parents=True)
    assert read_trained(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("training.json", "[]"),
        ("model/model.json", '{"blueprint": {}}'),
        ("model/evaluation.json", "{}"),
        ("model/evaluation.json", '[{"data": "x"}]'),
        ("log.jsonl", '{"step": 3}\n'),
        ("latency.json", '[{"median_ms": 3}]'),
        ("export.json", '{"path": "x"}'),
        ("evaluation/val/evaluation.json", "not JSON"),
    ],
)
def test_damage_is_told_with_the_file(
    tmp_path: Path, folder: Path, name: str, content: str
) -> None:
    (folder / name).write_text(content)
    with pytest.raises(AtrousError, match=f"best/{name}.*delete it"):
        read_trained(tmp_path)


def test_a_training_that_does_not_say_what_was_trained_is_damaged(
    tmp_path: Path, folder: Path
) -> None:
    (folder / "training.json").write_text("{}")
    (folder / "model" / "model.json").unlink()
    with pytest.raises(AtrousError, match=r"training\.json, but: blueprint: Field required"):
        read_trained(tmp_path)


def test_what_a_whole_run_keeps_is_read(tmp_path: Path) -> None:
    plan = split(3600, paced(trial=5.0, step=0.5, workers=2), 0, 2, ("dpc:aspp",))
    write_plan(plan, tmp_path)
    schedule = read_timetable(tmp_path)
    assert schedule is not None
    assert (schedule.budget, schedule.told) == (3600, plan.told)
    assert schedule.stages == plan.stages
    assert sum(map(schedule.share, schedule.stages)) == pytest.approx(100)


@pytest.mark.parametrize("content", ["[]", "{", '{"stages": [{"name": "search"}]}'])
def test_a_damaged_plan_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(AtrousError, match=r"plan\.json.*delete it"):
        read_timetable(tmp_path)


def test_a_run_that_was_not_planned_has_no_schedule(tmp_path: Path) -> None:
    assert read_timetable(tmp_path) is None
