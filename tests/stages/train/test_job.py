"""A training run as a folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from atrous.core.errors import AtrousError
from atrous.data.dataset import Samples, fingerprint_sides
from atrous.stages.train.trainer import ABOUT, LOCK, TrainingJob, create, held, read, require_none
from tests.training.material import job, never, protocol


@pytest.fixture(scope="module")
def sound(data: Path, samples: tuple[Samples, Samples]) -> TrainingJob:
    return job(data, fingerprint_sides(*samples, never))


def test_what_is_written_is_read(sound: TrainingJob, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "folder"
    require_none(folder)
    create(folder, sound)
    assert read(folder) == sound
    assert {path.name for path in folder.iterdir()} - {LOCK} == {ABOUT}


def test_a_folder_holds_one_training(sound: TrainingJob, tmp_path: Path) -> None:
    create(tmp_path, sound)
    with pytest.raises(AtrousError, match="There is a training run in"):
        require_none(tmp_path)
    with pytest.raises(AtrousError, match="There is a training run in"):
        create(tmp_path, sound)


def test_a_folder_that_cannot_be_written_is_told(sound: TrainingJob, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AtrousError, match=r"Expected to write a training run to .*--out"):
        create(tmp_path / "file", sound)


def test_nothing_is_no_training(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match=r"Expected a training run at .*no such file"):
        read(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: "{",
        lambda _: "[1]",
        lambda record: json.dumps(record | {"format": 7}),
        lambda record: json.dumps({k: v for k, v in record.items() if k != "compute"}),
        lambda record: json.dumps(record | {"extra": 1}),
        lambda record: json.dumps(record | {"protocol": {"steps": 3}}),
        lambda record: json.dumps(record | {"blueprint": {}}),
    ],
)
def test_a_damaged_record_is_told(damage: object, sound: TrainingJob, tmp_path: Path) -> None:
    create(tmp_path, sound)
    record = json.loads((tmp_path / ABOUT).read_text())
    assert callable(damage)
    (tmp_path / ABOUT).write_text(damage(record))
    with pytest.raises(AtrousError, match=r"Expected a training run in|another version"):
        read(tmp_path)


def test_the_samples_are_those_it_began_with(
    sound: TrainingJob, data: Path, samples: tuple[Samples, Samples], tmp_path: Path
) -> None:
    dataset, training, selection = sound.samples()
    assert dataset.classes == sound.blueprint.classes
    assert (training, selection) == samples
    copy = Path(shutil.copytree(data, tmp_path / "copy"))
    changed = job(copy, sound.fingerprint, protocol=protocol())
    changed.samples()
    Image.fromarray(np.zeros((64, 96), np.uint8)).save(copy / "masks" / "val" / "val1.png")
    with pytest.raises(AtrousError, match=r"selection images or masks \(split val.* have changed"):
        changed.samples()


def test_a_frame_that_moves_from_train_to_val_is_noticed_on_both_sides(
    sound: TrainingJob, data: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(data, tmp_path / "copy"))
    for kind in ("images", "masks"):
        path = copy / kind / "train" / "train0.png"
        path.rename(copy / kind / "val" / path.name)
    moved = r"training .*split train.* and selection .*split val.* have changed since this training"
    with pytest.raises(AtrousError, match=moved):
        job(copy, sound.fingerprint, protocol=protocol()).samples()


def test_class_names_that_changed_are_noticed(
    sound: TrainingJob, data: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(data, tmp_path / "copy"))
    names = (copy / "classes.txt").read_text().split()
    (copy / "classes.txt").write_text("\n".join(reversed(names)))
    with pytest.raises(AtrousError, match=r"class names .* have changed since this training"):
        job(copy, sound.fingerprint, protocol=protocol()).samples()


def test_one_process_at_a_time_trains_in_a_folder(tmp_path: Path) -> None:
    with (
        held(tmp_path),
        pytest.raises(AtrousError, match="Another process is training"),
        held(tmp_path),
    ):
        pass
