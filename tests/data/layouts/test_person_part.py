from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.data.check import check
from atrous.data.dataset import read_labels
from atrous.data.layouts import read_dataset
from tests.data.layouts.miniatures import person_part, save_grey, values


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return person_part(tmp_path / "set")


def _repacked(root: Path) -> Path:
    """The same files as human parsing projects lay them: images and lists in one folder."""
    base = root / "pascal_person_part"
    shutil.move(root / "VOCdevkit/VOC2010/JPEGImages", base / "JPEGImages")
    shutil.rmtree(root / "VOCdevkit")
    lists = base / "pascal_person_part_trainval_list"
    for split in ("train", "val"):
        lines = (lists / f"{split}.txt").read_text().splitlines()
        names = [Path(line.split()[0]).stem for line in lines]
        (base / f"{split}_id.txt").write_text("\n".join(names))
    shutil.rmtree(lists)
    return base


def test_the_archive_beside_a_devkit(root: Path) -> None:
    for named in (root, root / "pascal_person_part"):
        dataset = read_dataset(named)
        assert dataset.classes[1:3] == ("head", "torso")
        assert [s.name for s in dataset.splits["train"]] == ["2008_000008", "2008_000034"]
        assert dataset.splits["train"][0].image.is_file()
        assert read_labels(dataset.splits["val"][0]).ravel()[:7].tolist() == [*range(7)]


def test_the_repacked_folder(root: Path) -> None:
    base = _repacked(root)
    dataset = read_dataset(base)
    assert [s.name for s in dataset.splits["val"]] == ["2008_000003", "2008_000026"]
    assert check(base).problems == ()


def test_255_is_ignored_and_other_values_are_errors(root: Path) -> None:
    sample = read_dataset(root).splits["train"][0]
    save_grey(sample.mask, values(*range(7), 255))
    assert check(root).problems == ()
    save_grey(sample.mask, values(*range(7), 7))
    assert "mask value 7 is no class" in check(root).problems[0].finding


@pytest.mark.parametrize(
    ("part", "archive"),
    [
        ("VOCdevkit", "VOCtrainval_03-May-2010.tar"),
        ("pascal_person_part/pascal_person_part_gt", "pascal_person_part.zip"),
        ("pascal_person_part/pascal_person_part_trainval_list", "pascal_person_part.zip"),
    ],
)
def test_half_a_download_says_what_to_download(root: Path, part: str, archive: str) -> None:
    shutil.rmtree(root / part)
    with pytest.raises(AtrousError, match="looks like PASCAL-Person-Part") as caught:
        read_dataset(root)
    assert f"download {archive}" in str(caught.value)
