"""What holds for every layout, and what happens where none or several are found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import atrous
from atrous.core.errors import AtrousError
from atrous.data.check import check
from atrous.data.dataset import fingerprint, read_image, read_labels, select
from atrous.data.encoding import IDENTITY, IGNORE
from atrous.data.layouts import LAYOUTS, read_dataset
from tests.data import folder
from tests.data.layouts.miniatures import MINIATURES

COUNTS = {
    "folder": 3,
    "Cityscapes": 19,
    "PASCAL VOC 2012": 21,
    "PASCAL-Person-Part": 7,
    "ADE20K": 150,
    "COCO-Stuff": 171,
    "COCO panoptic": 133,
}


def test_every_layout_has_a_miniature() -> None:
    assert {layout.name for layout in LAYOUTS} == set(MINIATURES) == set(COUNTS)


@pytest.mark.parametrize("name", MINIATURES)
def test_a_miniature_is_recognised_and_read(tmp_path: Path, name: str) -> None:
    dataset = read_dataset(MINIATURES[name](tmp_path / "set"))
    assert dataset.layout == name
    assert len(dataset.classes) == len(set(dataset.classes)) == COUNTS[name]
    assert [len(dataset.splits[s]) for s in ("train", "val")] == [2, 2]
    for sample in dataset.splits["val"]:
        labels = read_labels(sample)
        assert labels.dtype == np.uint8
        assert labels.shape == read_image(sample.image).shape[:2]
        assert set(np.unique(labels)) == {*range(COUNTS[name]), IGNORE} - (
            {IGNORE} if name == "PASCAL-Person-Part" else set()
        )


@pytest.mark.parametrize("name", MINIATURES)
def test_a_miniature_passes_the_check_also_by_the_root_it_was_found_at(
    tmp_path: Path, name: str
) -> None:
    root = MINIATURES[name](tmp_path / "set")
    report = check(root)
    assert report.problems == ()
    assert report.layout == name
    assert all(share > 0 for share in report.shares["train"].values())
    again = check(read_dataset(root).root)
    assert (again.problems, again.layout, again.shares) == ((), name, report.shares)


@pytest.mark.parametrize("name", MINIATURES)
def test_there_is_one_colour_for_each_class(tmp_path: Path, name: str) -> None:
    colours = read_dataset(MINIATURES[name](tmp_path)).colours
    assert len(colours) == COUNTS[name]
    # The published colours of ADE20K give road and skyscraper the same grey.
    assert len(set(colours)) == COUNTS[name] - (name == "ADE20K")
    assert all(0 <= channel <= 255 for colour in colours for channel in colour)


@pytest.mark.parametrize("name", MINIATURES)
def test_selection_works_on_val_on_a_share_and_on_names(tmp_path: Path, name: str) -> None:
    dataset = read_dataset(MINIATURES[name](tmp_path))
    train, val = dataset.splits["train"], dataset.splits["val"]
    assert select(dataset, "val") == (train, val)
    assert [len(part) for part in select(dataset, "0.5")] == [1, 1]
    assert select(dataset, train[1].name) == (train[:1], train[1:])


@pytest.mark.parametrize("name", MINIATURES)
def test_the_encoding_enters_the_fingerprint_where_values_are_mapped(
    tmp_path: Path, name: str
) -> None:
    samples = read_dataset(MINIATURES[name](tmp_path)).splits["train"]
    plain = [replace(sample, encoding=IDENTITY) for sample in samples]
    assert (fingerprint(samples) == fingerprint(plain)) == (name == "folder")


def test_an_unknown_folder_is_told_every_layout(tmp_path: Path) -> None:
    (tmp_path / "stuff").mkdir()
    with pytest.raises(AtrousError, match="not laid out as a data set") as caught:
        read_dataset(tmp_path)
    for part in ("images/train/NAME.jpg", "gtFine/SPLIT", "ImageSets/Segmentation", "stuff/"):
        assert part in str(caught.value)
    for layout in LAYOUTS:
        assert layout.looks_for in str(caught.value)


def test_where_several_lie_side_by_side_one_is_to_be_named(tmp_path: Path) -> None:
    for name in ("COCO-Stuff", "COCO panoptic"):
        MINIATURES[name](tmp_path)
    with pytest.raises(AtrousError, match="several data sets") as caught:
        read_dataset(tmp_path)
    for place, name in (
        ("stuffthingmaps_trainval2017", "COCO-Stuff"),
        ("annotations", "COCO panoptic"),
    ):
        assert f"{tmp_path / place} for {name}" in str(caught.value)
        assert read_dataset(tmp_path / place).layout == name


def test_what_lies_in_the_folder_itself_wins_over_what_lies_deeper(tmp_path: Path) -> None:
    MINIATURES["PASCAL-Person-Part"](folder.write(tmp_path))
    assert read_dataset(tmp_path).layout == "folder"
    assert read_dataset(tmp_path / "pascal_person_part").layout == "PASCAL-Person-Part"


def flat(root: Path, count: int = 20) -> Path:
    """A folder with images/ and masks/ of so many names, and no splits."""
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
    (root / "classes.txt").write_text("\n".join(folder.CLASSES))
    for k in range(count):
        name = f"seq{k // 5}-{k:02}"
        folder.picture(k).save(root / "images" / f"{name}.jpg")
        folder.labels(0, 1, 2, 255).save(root / "masks" / f"{name}.png")
    return root


def names(root: Path) -> dict[str, list[str]]:
    return {s: [each.name for each in found] for s, found in read_dataset(root).splits.items()}


def test_a_folder_without_splits_is_divided_by_its_names(tmp_path: Path) -> None:
    root = flat(tmp_path / "flat")
    found = names(root)
    assert {split: len(each) for split, each in found.items()} == {"train": 16, "val": 2, "test": 2}
    assert len({name for each in found.values() for name in each}) == 20
    assert names(flat(tmp_path / "again")) == found
    assert check(root).errors == 0
    assert check(root).images == {"train": 16, "val": 2, "test": 2}


def test_how_it_is_divided_is_said_by_shares_or_names_and_kept(tmp_path: Path) -> None:
    root = flat(tmp_path / "flat")
    atrous.check(root, split="0.5,0.25,0.25")
    assert [len(each) for each in names(root).values()] == [10, 5, 5]
    atrous.check(root, split="val=seq1,test=seq3")
    assert {name[:4] for name in names(root)["val"]} == {"seq1"}
    assert {name[:4] for name in names(root)["test"]} == {"seq3"}
    for wrong in ("0.5,0.2", "half", "valid=seq1", "0.5,0.25,0.2,0.05"):
        with pytest.raises(AtrousError, match="Expected shares of train, val and test"):
            atrous.check(root, split=wrong)
    with pytest.raises(AtrousError, match="has splits of its own"):
        atrous.check(folder.write(tmp_path / "other"), split="0.5,0.5")


def test_a_data_set_one_level_off_is_understood(tmp_path: Path) -> None:
    root = folder.write(tmp_path / "unpacked" / "set")
    assert read_dataset(tmp_path / "unpacked").root == root
    assert read_dataset(root / "images").root == root


def test_flaws_of_a_published_set_are_warnings(tmp_path: Path) -> None:
    root = MINIATURES["ADE20K"](tmp_path)
    images = root / "ADEChallengeData2016/images"
    twin = (images / "training/ADE_train_00000001.jpg").read_bytes()
    (images / "validation/ADE_val_00000001.jpg").write_bytes(twin)
    report = check(root)
    assert (report.errors, report.warnings) == (0, 1)
    assert "same pixels" in report.problems[0].finding
