"""A study's folder: what is kept, and what must not change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from atrous.core.errors import AtrousError
from atrous.core.options import replaced
from atrous.data.dataset import DataFingerprint
from atrous.stages.fidelity.study import ABOUT, create_study, open_study, require_same
from tests.stages.fidelity.studies import FINGERPRINTS, SETTINGS, fill, new_study


def test_a_study_is_found_again(tmp_path: Path) -> None:
    study = new_study(tmp_path / "study")
    assert open_study(study.path) == study
    ledgers = [f"{name}.db" for name in study.settings.names]
    found = sorted(path.name for path in study.path.iterdir() if path.suffix != ".lock")
    assert found == sorted([ABOUT, *ledgers])


def test_where_there_is_none_none_is_found(tmp_path: Path) -> None:
    assert open_study(tmp_path) is None
    assert open_study(tmp_path / "nowhere") is None


def test_trials_are_kept_by_setting(tmp_path: Path) -> None:
    study = new_study(tmp_path, large_backbone="none")
    fill(study, "cached", {"1x1": 0.25, "r6": 0.5})
    entries = study.entries()
    assert list(entries) == ["cached", "end-to-end"]
    assert [str(entry.trial.origin) for entry in entries["cached"]] == [
        "baseline 1x1",
        "baseline r6",
    ]
    assert entries["end-to-end"] == []


def test_the_settings_differ_in_what_they_train(tmp_path: Path) -> None:
    settings = new_study(tmp_path).settings
    assert settings.names == ("cached", "end-to-end", "large")
    assert [settings.is_cached(name) for name in settings.names] == [True, False, False]
    assert [settings.steps_of(name) for name in settings.names] == [400, 200, 200]
    frozen = replace(settings, large_cached=True)
    assert [frozen.steps_of(name) for name in frozen.names] == [400, 200, 400]
    assert frozen.backbone_of("large") == ("xception65", "none")
    assert frozen.backbone_of("end-to-end") == ("tf_efficientnet_lite0", "none")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 300}, "--steps was 400, now 300"),
        ({"large_cached": True}, "--large-cached was False, now True"),
        ({"crop": (81, 97)}, r"--crop was \(65, 97\), now \(81, 97\)"),
        ({"steps": 1, "seed": 2}, "--steps was 400, now 1; --seed was 0, now 2"),
    ],
)
def test_changed_settings_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    study = new_study(tmp_path)
    with pytest.raises(AtrousError, match=f"{message}.*Ask as before"):
        require_same(study, replaced(SETTINGS, **changes), FINGERPRINTS)
    require_same(study, SETTINGS, FINGERPRINTS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": DataFingerprint("d2", "s1")}, "training images or masks .*d1, now d2"),
        ({"data": DataFingerprint("d1", "s2")}, "selection images or masks .*s1, now s2"),
        ({"weights": "w2"}, "--weights as loaded had fingerprint w1, now w2"),
        ({"large_weights": "l2"}, "--large-weights as loaded had fingerprint l1, now l2"),
    ],
)
def test_changed_fingerprints_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(AtrousError, match=message):
        require_same(new_study(tmp_path), SETTINGS, replace(FINGERPRINTS, **changes))


def test_another_machine_and_other_versions_are_no_hindrance(tmp_path: Path) -> None:
    require_same(new_study(tmp_path), SETTINGS, replace(FINGERPRINTS, machine="other", versions={}))


@pytest.mark.parametrize("field", ["format", "settings", "fingerprints", "computes"])
def test_a_damaged_file_is_named(tmp_path: Path, field: str) -> None:
    path = new_study(tmp_path).path / ABOUT
    content = json.loads(path.read_text())
    damages: tuple[Any, ...] = ({}, 0, None)
    for damage in damages:
        path.write_text(json.dumps(content | {field: damage}))
        with pytest.raises(AtrousError, match=r"fidelity\.json.*Restore"):
            open_study(tmp_path)
    path.write_text("{")
    with pytest.raises(AtrousError, match=r"fidelity\.json.*Restore"):
        open_study(tmp_path)


def test_trials_of_a_lost_study_are_not_taken_over(tmp_path: Path) -> None:
    study = new_study(tmp_path)
    fill(study, "cached", {"1x1": 0.5})
    (tmp_path / ABOUT).unlink()
    with pytest.raises(AtrousError, match=r"trials of another study in .*cached\.db"):
        create_study(study)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AtrousError, match=r"file/study.*--out"):
        new_study(tmp_path / "file" / "study")


def test_two_do_not_measure_in_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atrous.core.files.PATIENCE", 0.01)
    study = new_study(tmp_path)
    with (
        study.locked(),
        pytest.raises(AtrousError, match="Another process is measuring"),
        study.locked(),
    ):
        pass
    with study.locked():
        pass
