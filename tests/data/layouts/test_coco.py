from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from atrous.core.errors import AtrousError
from atrous.data.check import check
from atrous.data.dataset import fingerprint, read_labels
from atrous.data.layouts import read_dataset
from tests.data.layouts.miniatures import (
    UNUSED_STUFF,
    coco_panoptic,
    coco_stuff,
    save_grey,
    save_image,
    save_segments,
    values,
)


@pytest.fixture
def stuff(tmp_path: Path) -> Path:
    return coco_stuff(tmp_path / "coco")


@pytest.fixture
def panoptic(tmp_path: Path) -> Path:
    return coco_panoptic(tmp_path / "coco")


def test_stuff_values_are_category_ids_less_one(stuff: Path) -> None:
    dataset = read_dataset(stuff)
    sample = dataset.splits["train"][0]
    save_grey(sample.mask, values(0, 10, 12, 89, 91, 181, 255))
    labels = read_labels(sample).ravel()[:7]
    names = [dataset.classes[k] for k in labels[:6]]
    assert names == ["person", "fire hydrant", "stop sign", "toothbrush", "banner", "wood"]
    assert labels.tolist() == [0, 10, 11, 79, 80, 170, 255]
    assert dataset.colours[0] == (220, 20, 60)


@pytest.mark.parametrize("value", [*UNUSED_STUFF, 182, 254])
def test_stuff_values_without_a_class_are_errors(stuff: Path, value: int) -> None:
    sample = read_dataset(stuff).splits["train"][0]
    save_grey(sample.mask, values(0, value))
    with pytest.raises(AtrousError, match=f"holds {value}"):
        read_labels(sample)


def test_stuff_as_others_lay_it_with_converted_copies_beside(stuff: Path) -> None:
    (stuff / "images").mkdir()
    for split in ("train2017", "val2017"):
        shutil.move(stuff / split, stuff / "images" / split)
        mask = stuff / "stuffthingmaps_trainval2017" / split / "000000000009.png"
        save_grey(mask.with_name("000000000009_labelTrainIds.png"), values(0, 1))
    shutil.move(stuff / "stuffthingmaps_trainval2017", stuff / "annotations")
    dataset = read_dataset(stuff)
    assert dataset.layout == "COCO-Stuff"
    assert [s.name for s in dataset.splits["train"]] == ["000000000009", "000000000010"]
    assert check(stuff).problems == ()


def test_images_alone_are_told_of_both_kinds_of_masks(stuff: Path) -> None:
    shutil.rmtree(stuff / "stuffthingmaps_trainval2017")
    with pytest.raises(AtrousError, match="images of COCO, but no masks") as caught:
        read_dataset(stuff)
    assert "stuffthingmaps_trainval2017.zip" in str(caught.value)
    assert "panoptic_annotations_trainval2017.zip" in str(caught.value)


@pytest.mark.parametrize("kind", ["stuff", "panoptic"])
def test_masks_alone_are_told_of_the_images(tmp_path: Path, kind: str) -> None:
    root = {"stuff": coco_stuff, "panoptic": coco_panoptic}[kind](tmp_path)
    for split in ("train2017", "val2017"):
        shutil.rmtree(root / split)
    with pytest.raises(AtrousError, match=r"has no images train2017.*download train2017\.zip"):
        read_dataset(root)


@pytest.mark.parametrize("kind", ["stuff", "panoptic"])
def test_test_images_are_unlabelled(tmp_path: Path, kind: str) -> None:
    root = {"stuff": coco_stuff, "panoptic": coco_panoptic}[kind](tmp_path)
    save_image(root / "test2017/000000000001.jpg", 90)
    assert [p.stem for p in read_dataset(root).unlabelled["test"]] == ["000000000001"]
    assert check(root).problems == ()


def test_panoptic_colours_are_segments_whose_category_the_json_tells(panoptic: Path) -> None:
    dataset = read_dataset(panoptic)
    for samples in dataset.splits.values():
        for sample in samples:
            assert read_labels(sample).ravel()[:134].tolist() == [255, *range(133)]
    assert (dataset.classes[0], dataset.classes[80], dataset.classes[132]) == (
        "person",
        "banner",
        "rug-merged",
    )
    assert dataset.colours[132] == (250, 141, 255)


def test_panoptic_red_is_the_lowest_byte(panoptic: Path) -> None:
    path = panoptic / "annotations/panoptic_train2017.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["segments_info"] = [
        {"id": 1 + 256 * 2 + 65536 * 3, "category_id": 18},
        {"id": 3 + 256 * 2 + 65536 * 1, "category_id": 200},
    ]
    path.write_text(json.dumps(content))
    sample = read_dataset(panoptic).splits["train"][0]
    Image.fromarray(np.array([[[1, 2, 3], [3, 2, 1], [0, 0, 0]]], dtype=np.uint8)).save(sample.mask)
    assert read_labels(sample).tolist() == [[16, 132, 255]]


def test_panoptic_pngs_may_lie_beside_the_annotations(panoptic: Path) -> None:
    for split in ("train2017", "val2017"):
        shutil.move(panoptic / f"annotations/panoptic_{split}", panoptic / f"panoptic_{split}")
    assert check(panoptic).problems == ()
    assert len(read_dataset(panoptic / "annotations").splits["train"]) == 2


def test_a_segment_the_json_does_not_list_is_an_error(panoptic: Path) -> None:
    sample = read_dataset(panoptic).splits["train"][1]
    save_segments(sample.mask, [0, 5_000_000])
    problem = next(p for p in check(panoptic).problems if p.severity == "error")
    assert "mask value 5000000 is no class: COCO panoptic has the segment ids" in problem.finding
    with pytest.raises(AtrousError, match="holds 5000000"):
        read_labels(sample)


def test_a_panoptic_mask_of_grey_values_is_an_error(panoptic: Path) -> None:
    sample = read_dataset(panoptic).splits["train"][1]
    save_grey(sample.mask, values(0, 1))
    assert "65793 is no class" in check(panoptic).problems[0].finding


def test_a_changed_category_changes_the_fingerprint(panoptic: Path) -> None:
    before = fingerprint(read_dataset(panoptic).splits["train"])
    path = panoptic / "annotations/panoptic_train2017.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["segments_info"][0]["category_id"] = 2
    path.write_text(json.dumps(content, indent=1))
    assert fingerprint(read_dataset(panoptic).splits["train"]) != before


@pytest.mark.parametrize(
    ("part", "archive"),
    [
        ("panoptic_train2017.json", "panoptic_annotations_trainval2017.zip"),
        ("panoptic_train2017", "panoptic_train2017.zip, which lies in"),
    ],
)
def test_half_of_panoptic_says_what_to_unpack(panoptic: Path, part: str, archive: str) -> None:
    path = panoptic / "annotations" / part
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(AtrousError, match="looks like COCO panoptic") as caught:
        read_dataset(panoptic)
    assert f"download {archive}" in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", '{"annotations": [{"file_name": "a.png"}]}'])
def test_a_json_file_that_is_no_panoptic_one_is_named(panoptic: Path, text: str) -> None:
    (panoptic / "annotations/panoptic_train2017.json").write_text(text)
    with pytest.raises(AtrousError, match=r"panoptic_train2017\.json is no panoptic JSON file"):
        read_dataset(panoptic)
