"""Which images are meant, and what their results are called."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from atrous.core.errors import AtrousError
from atrous.data.dataset import Dataset, read_image, read_labels
from atrous.data.encoding import voc_colours
from atrous.data.layouts import read_dataset
from atrous.model.predict.images import SUBMISSIONS, find_images, find_submission, submitted_images
from atrous.tasks.segmentation.evaluate import summarise
from tests.data import folder
from tests.data.layouts import miniatures


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    names = ("b.JPG", "a.v2.png", "notes.txt", "sub/a.tif", "sub/.hidden.png", ".cache/c.png")
    for name in names:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "photos"


def test_a_folder_stands_for_the_images_in_and_below_it(photos: Path, tmp_path: Path) -> None:
    found = find_images([photos], tmp_path / "out")
    assert [image.name for image in found] == ["a.v2", "b", "sub/a"]
    assert [image.path for image in found] == [
        photos / "a.v2.png",
        photos / "b.JPG",
        photos / "sub/a.tif",
    ]


def test_a_file_is_taken_whatever_its_suffix(photos: Path, tmp_path: Path) -> None:
    (found,) = find_images([photos / "notes.txt"], tmp_path / "out")
    assert found.name == "notes"


def test_results_of_an_earlier_time_are_no_images(photos: Path) -> None:
    out = photos / "out"
    (out / "ids").mkdir(parents=True)
    (out / "ids" / "b.png").touch()
    assert len(find_images([photos], out)) == 3


def test_a_file_named_twice_is_taken_once(photos: Path, tmp_path: Path) -> None:
    assert len(find_images([photos, photos / "b.JPG", photos], tmp_path / "out")) == 3


@pytest.mark.parametrize("second", ["b.png", "B.bmp"])
def test_two_results_of_one_name_are_refused(photos: Path, tmp_path: Path, second: str) -> None:
    (photos / second).touch()
    with pytest.raises(AtrousError, match=r"b\.JPG.* would both be written as .*To mend: rename"):
        find_images([photos], tmp_path / "out")


def test_folders_whose_images_have_the_same_names_are_refused(photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.png").touch()
    with pytest.raises(AtrousError, match="an --out of its own"):
        find_images([photos, other], tmp_path / "out")


def test_what_is_not_there_is_named(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match=r"gone\.png does not exist"):
        find_images([photos / "gone.png"], tmp_path / "out")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(AtrousError, match=r"pipe\.png is a pipe, a socket or a device"):
        find_images([tmp_path / "pipe.png"], tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(AtrousError, match=r"images in .*empty, but no file .*\.bmp, \.jpeg"):
        find_images([tmp_path / "empty"], tmp_path / "out")


Ids = npt.NDArray[np.uint8]


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    published = importlib.import_module(
        "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling"
    )
    for name, value in (
        ("evalInstLevelScore", False),
        ("JSONOutput", False),
        ("quiet", True),
        ("predictionPath", None),
        ("predictionWalk", None),
    ):
        monkeypatch.setattr(published.args, name, value)
    return published


def write(kind: str, dataset: Dataset, split: str, out: Path, predictions: list[Ids]) -> None:
    submission = SUBMISSIONS[kind]
    images = submitted_images(submission, dataset, split, dataset.classes)
    for image, ids in zip(images, predictions, strict=True):
        path = submission.writer.path(out, image.name)
        submission.writer.write(path, read_image(image.path), ids, dataset.colours)


def test_cityscapes_own_program_finds_and_scores_the_files(
    tmp_path: Path, scripts: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = read_dataset(miniatures.cityscapes(tmp_path / "data"))
    samples = dataset.splits["val"]
    rng = np.random.default_rng(0)
    labels = [read_labels(sample) for sample in samples]
    guesses = [rng.integers(0, 19, label.shape).astype(np.uint8) for label in labels]
    write("cityscapes", dataset, "val", tmp_path / "out", guesses)
    monkeypatch.setenv("CITYSCAPES_RESULTS", str(tmp_path / "out"))
    masks = [str(sample.mask) for sample in samples]
    files = [scripts.getPrediction(scripts.args, mask) for mask in masks]
    theirs: dict[str, Any] = scripts.evaluateImgLists(files, masks, scripts.args)
    counts = np.zeros((19, 19), dtype=np.int64)
    for label, guess in zip(labels, guesses, strict=True):
        np.add.at(counts, (label[label < 19], guess[label < 19]), 1)
    assert theirs["averageScoreClasses"] == pytest.approx(summarise(counts).miou)


def test_cityscapes_test_images_are_named_after_their_city_and_number(tmp_path: Path) -> None:
    dataset = read_dataset(miniatures.cityscapes(tmp_path / "data"))
    ids = np.arange(19, dtype=np.uint8)[None]
    write("cityscapes", dataset, "test", tmp_path / "out", [ids, ids])
    found = sorted((tmp_path / "out" / "cityscapes").iterdir())
    assert [path.name for path in found] == [
        "berlin_000000_000019_labelIds.png",
        "berlin_000001_000019_labelIds.png",
    ]
    with Image.open(found[0]) as written:
        assert written.mode == "L"
        values = np.asarray(written)[0].tolist()
    assert values == [7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33]


def test_voc_files_lie_and_look_as_the_server_wants(tmp_path: Path) -> None:
    root = miniatures.voc(tmp_path / "data")
    lists = root / "VOCdevkit/VOC2012/ImageSets/Segmentation"
    (lists / "test.txt").write_text("2007_000027\n")
    ids = np.arange(21, dtype=np.uint8)[None]
    write("voc", read_dataset(root), "test", tmp_path / "out", [ids])
    path = tmp_path / "out/results/VOC2012/Segmentation/comp6_test_cls/2007_000027.png"
    with Image.open(path) as written:
        assert written.mode == "P"
        np.testing.assert_array_equal(np.asarray(written), ids)
        assert np.asarray(written.convert("RGB"))[0].tolist() == [list(c) for c in voc_colours(21)]


def test_a_model_of_other_classes_is_refused(tmp_path: Path) -> None:
    dataset = read_dataset(miniatures.cityscapes(tmp_path / "data"))
    turned = tuple(reversed(dataset.classes))
    for classes in (turned, ("sky", "road")):
        with pytest.raises(AtrousError, match="Expected a model of the 19 classes of Cityscapes"):
            submitted_images(SUBMISSIONS["cityscapes"], dataset, "test", classes)


def test_another_layout_is_refused(tmp_path: Path) -> None:
    dataset = read_dataset(folder.write(tmp_path / "data", train=2, val=2, test=0))
    with pytest.raises(AtrousError, match=r"Expected the folder of PASCAL VOC 2012 .* as folder"):
        submitted_images(SUBMISSIONS["voc"], dataset, "test", dataset.classes)


def test_absent_test_images_are_told_with_the_list_that_names_them(tmp_path: Path) -> None:
    dataset = read_dataset(miniatures.voc(tmp_path / "data"))
    with pytest.raises(AtrousError, match=r"no test images\. .*train, val\. .*test\.txt"):
        submitted_images(SUBMISSIONS["voc"], dataset, "test", dataset.classes)


def test_servers_are_chosen_by_name() -> None:
    assert find_submission("voc") is SUBMISSIONS["voc"]
    with pytest.raises(AtrousError, match="cityscapes or voc, got 'ade'"):
        find_submission("ade")
