from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.data.check import check
from atrous.data.dataset import read_labels
from atrous.data.layouts import read_dataset
from tests.data.layouts.miniatures import save_grey, save_image, save_palette, values, voc

LISTS = "VOCdevkit/VOC2012/ImageSets/Segmentation"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return voc(tmp_path / "voc")


def _augment(root: Path, lines: str) -> Path:
    """One more training image, with grey masks of all in SegmentationClassAug."""
    base = root / "VOCdevkit/VOC2012"
    save_image(base / "JPEGImages/2008_000015.jpg", 55)
    for name in ("2007_000032", "2007_000039", "2008_000015"):
        save_grey(base / f"SegmentationClassAug/{name}.png", values(*range(20, -1, -1)))
    (root / LISTS / "train_aug.txt").write_text(lines)
    return base


@pytest.mark.parametrize("inside", ["", "VOCdevkit", "VOCdevkit/VOC2012"])
def test_any_folder_around_it_may_be_named(root: Path, inside: str) -> None:
    dataset = read_dataset(root / inside)
    assert [s.name for s in dataset.splits["train"]] == ["2007_000032", "2007_000039"]
    assert [s.name for s in dataset.splits["val"]] == ["2007_000033", "2007_000042"]
    assert check(root / inside).problems == ()


def test_palette_indices_are_classes_and_the_border_is_ignored(root: Path) -> None:
    dataset = read_dataset(root)
    sample = dataset.splits["train"][0]
    assert read_labels(sample).ravel()[:4].tolist() == [255, 0, 1, 2]
    assert dataset.classes[15] == "person"
    assert dataset.colours[:3] == ((0, 0, 0), (128, 0, 0), (0, 128, 0))
    assert dataset.colours[15] == (192, 128, 128)
    assert dataset.colours[20] == (0, 64, 128)


@pytest.mark.parametrize("kind", ["names", "paths"])
def test_the_augmented_list_replaces_train_and_leaves_val(root: Path, kind: str) -> None:
    names = ("2007_000032", "2007_000039", "2008_000015")
    paths = (f"/JPEGImages/{n}.jpg /SegmentationClassAug/{n}.png" for n in names)
    base = _augment(root, "\n".join(names if kind == "names" else paths) + "\n")
    dataset = read_dataset(root)
    assert [s.name for s in dataset.splits["train"]] == list(names)
    assert {s.mask.parent.name for s in dataset.splits["train"]} == {"SegmentationClassAug"}
    assert {s.mask.parent.name for s in dataset.splits["val"]} == {"SegmentationClass"}
    assert read_labels(dataset.splits["train"][2]).ravel()[:3].tolist() == [20, 19, 18]
    assert check(base).problems == ()


def test_half_of_the_augmented_set_says_what_is_missing(root: Path) -> None:
    base = _augment(root, "2008_000015\n")
    (root / LISTS / "train_aug.txt").unlink()
    with pytest.raises(AtrousError, match=r"has no ImageSets/Segmentation/train_aug\.txt"):
        read_dataset(root)
    (root / LISTS / "train_aug.txt").write_text("2008_000015\n")
    shutil.rmtree(base / "SegmentationClassAug")
    with pytest.raises(AtrousError, match="has no SegmentationClassAug"):
        read_dataset(root)


@pytest.mark.parametrize("part", ["JPEGImages", "SegmentationClass", "ImageSets"])
def test_half_a_download_says_what_to_download(root: Path, part: str) -> None:
    shutil.rmtree(root / "VOCdevkit/VOC2012" / part)
    with pytest.raises(AtrousError, match="looks like PASCAL VOC 2012") as caught:
        read_dataset(root)
    assert "VOCtrainval_11-May-2012.tar" in str(caught.value)
    assert str(root / "VOCdevkit/VOC2012" / part) in str(caught.value)


def test_a_value_beyond_the_classes_is_an_error(root: Path) -> None:
    sample = read_dataset(root).splits["val"][0]
    save_palette(sample.mask, values(*range(22)))
    problem = check(root).problems[0]
    assert "mask value 21 is no class: PASCAL VOC 2012 has the class ids 0 to 20" in problem.finding
    with pytest.raises(AtrousError, match="holds 21"):
        read_labels(sample)


def test_a_listed_name_without_its_files_is_reported(root: Path) -> None:
    with (root / LISTS / "train.txt").open("a") as file:
        file.write("2009_000001\n")
    (root / "VOCdevkit/VOC2012/SegmentationClass/2007_000032.png").unlink()
    report = check(root)
    assert report.images["train"] == 1
    assert {p.file for p in report.problems} >= {
        "JPEGImages/2009_000001.jpg",
        "JPEGImages/2007_000032.jpg",
    }


def test_images_of_the_test_list_are_unlabelled(root: Path) -> None:
    (root / LISTS / "test.txt").write_text("2007_000027\n2008_000006\n")
    dataset = read_dataset(root)
    assert [path.stem for path in dataset.unlabelled["test"]] == ["2007_000027"]
    assert dataset.splits["test"] == ()
