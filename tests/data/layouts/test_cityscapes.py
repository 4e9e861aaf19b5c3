from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from atrous.cli.tables import check_report as render
from atrous.core.errors import AtrousError
from atrous.data.check import check
from atrous.data.dataset import read_labels, select
from atrous.data.layouts import read_dataset
from tests.data.layouts.miniatures import cityscapes, save_grey, values


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return cityscapes(tmp_path / "cityscapes")


def test_label_ids_become_train_ids(root: Path) -> None:
    dataset = read_dataset(root)
    sample = dataset.splits["train"][0]
    assert sample.name == "aachen_000000_000019"
    save_grey(sample.mask, values(7, 8, 26, 33, 0, 9, 29, 255))
    assert read_labels(sample)[0, :8].tolist() == [0, 1, 13, 18, 255, 255, 255, 255]
    assert dataset.classes[0] == "road"
    assert dataset.classes[13] == "car"
    assert dataset.classes[18] == "bicycle"
    assert dataset.colours[13] == (0, 0, 142)


def test_all_34_ids_follow_the_official_table(root: Path) -> None:
    kept = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
    expected = [kept.index(v) if v in kept else 255 for v in range(34)]
    found = read_labels(read_dataset(root).splits["val"][0]).ravel()[:34]
    assert found.tolist() == expected


@pytest.mark.parametrize("labels", ["dummy", "absent"])
def test_the_test_split_has_images_but_no_samples(root: Path, labels: str) -> None:
    if labels == "absent":
        shutil.rmtree(root / "gtFine" / "test")
    dataset = read_dataset(root)
    assert dataset.splits["test"] == ()
    assert [path.name for path in dataset.unlabelled["test"]] == [
        f"berlin_00000{k}_000019_leftImg8bit.png" for k in range(2)
    ]
    report = check(root)
    assert report.problems == ()
    assert report.unlabelled == {"test": 2}
    console = Console(width=300)
    with console.capture() as shown:
        console.print(render(report))
    assert "19 classes of Cityscapes. 2 test images without labels." in shown.get()


def test_a_label_id_beyond_the_table_is_found_and_not_learned_from(root: Path) -> None:
    sample = read_dataset(root).splits["train"][0]
    save_grey(sample.mask, values(*range(34), 34, 99, 7))
    report = check(root)
    assert [p.severity for p in report.problems] == ["error", "error"]
    assert "mask value 34 is no class: Cityscapes has the label ids 0 to 33" in (
        report.problems[0].finding
    )
    assert report.problems[0].file.startswith("gtFine/train/aachen/")
    with pytest.raises(AtrousError, match="holds 34, which is none of the label ids 0 to 33"):
        read_labels(sample)


def test_train_ids_in_place_of_label_ids_are_noticed(root: Path) -> None:
    for sample in read_dataset(root).splits["train"]:
        save_grey(sample.mask, values(*range(19)))
    found = [p for p in check(root).problems if "no pixel of train" in p.finding]
    assert found[0].file == "gtFine/train/aachen"
    assert "'bicycle'" in found[0].finding


@pytest.mark.parametrize(
    ("part", "archive"),
    [("gtFine", "gtFine_trainvaltest.zip"), ("leftImg8bit", "leftImg8bit_trainvaltest.zip")],
)
def test_half_a_download_says_what_to_download_and_where_to_put_it(
    root: Path, part: str, archive: str
) -> None:
    shutil.rmtree(root / part)
    for reader in (read_dataset, check):
        with pytest.raises(
            AtrousError, match=f"looks like Cityscapes, but has no {part}"
        ) as caught:
            reader(root)
        assert f"download {archive}" in str(caught.value)
        assert f"so that {root / part / 'train'} exists" in str(caught.value)


def test_an_image_without_labels_is_left_out_and_reported(root: Path) -> None:
    name = "aachen_000000_000019"
    (root / f"gtFine/train/aachen/{name}_gtFine_labelIds.png").unlink()
    assert len(read_dataset(root).splits["train"]) == 1
    found = [p for p in check(root).problems if "has no mask" in p.finding]
    assert f"gtFine/train/CITY/{name}_gtFine_labelIds.png" in found[0].finding


def test_no_usable_pair_in_train_is_an_error_of_reading(root: Path) -> None:
    for path in (root / "gtFine/train/aachen").glob("*_labelIds.png"):
        path.unlink()
    with pytest.raises(AtrousError, match=r"holds 2 images and .* 0 masks of the train split"):
        read_dataset(root)
    assert check(root).errors == 1


def test_a_city_can_be_held_out(root: Path) -> None:
    image = root / "leftImg8bit/train/bochum/bochum_000000_000313_leftImg8bit.png"
    mask = root / "gtFine/train/bochum/bochum_000000_000313_gtFine_labelIds.png"
    for path in (image, mask):
        path.parent.mkdir(parents=True)
    Image.new("RGB", (16, 12)).save(image)
    save_grey(mask, values(7))
    train, held = select(read_dataset(root), "bochum")
    assert [s.name for s in held] == ["bochum_000000_000313"]
    assert np.unique(read_labels(held[0])).tolist() == [0]
    assert len(train) == 2
