from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.data.check import require_sound
from atrous.data.layouts import read_dataset
from tests.data import folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return folder.write(tmp_path / "set")


def test_a_sound_data_set_gives_its_sizes_height_first(root: Path) -> None:
    folder.add(
        root, "val", "tall", folder.picture(9, 20, 10), folder.labels(0, 1, 2, height=20, width=10)
    )
    assert sorted(require_sound(root)) == [(12, 16), (20, 10)]


def test_warnings_pass_and_are_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("val0", "val1"):
        (root / f"images/val/{name}.png").unlink()
        (root / f"masks/val/{name}.png").unlink()
    assert require_sound(root) == [(12, 16)]
    told = capsys.readouterr().err
    assert "note: images/val: the val split is empty: no image with a mask. See: atrous" in told
    require_sound(replace(read_dataset(root), splits={"test": read_dataset(root).splits["test"]}))
    assert "note" not in capsys.readouterr().err


def test_faults_are_told_with_what_mends_them(root: Path) -> None:
    folder.labels(0, 1, 2, 7).save(root / "masks/train/train0.png")
    (root / "images/val/val0.png").write_bytes(b"no image")
    with pytest.raises(AtrousError) as told:
        require_sound(root)
    message = str(told.value)
    assert "has 2 problems that must be mended first" in message
    assert "val0.png" in message
    assert f"atrous check {root}" in message


def test_a_single_fault_is_told(root: Path) -> None:
    (root / "images/val/val0.png").write_bytes(b"no image")
    with pytest.raises(AtrousError, match="has a problem that must be mended first"):
        require_sound(root)


def test_of_many_faults_the_first_are_told_and_the_others_counted(root: Path) -> None:
    for name in ("train0", "train1", "train2"):
        (root / f"images/train/{name}.png").write_bytes(b"no image")
    for seed, name in enumerate(("train/train3", "val/val0", "val/val1")):
        folder.picture(seed, height=20).save(root / f"images/{name}.png")
    with pytest.raises(AtrousError, match=r"has 6 problems(.|\n)*and 1 more") as told:
        require_sound(root)
    assert sum(f"train{number}.png" in str(told.value) for number in range(4)) == 4
