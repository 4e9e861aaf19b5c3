"""Data that cannot tell how good a model is, refused with the way out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.data.dataset import Dataset
from atrous.model.evaluation.assessment import labelled_split, require_same_classes
from tests.data import folder


def dataset(*classes: str) -> Dataset:
    return Dataset(Path("streets"), classes, {})


def refusal(ours: tuple[str, ...], theirs: tuple[str, ...]) -> str:
    with pytest.raises(AtrousError) as refused:
        require_same_classes(ours, dataset(*theirs))
    return str(refused.value)


def test_the_same_classes_pass() -> None:
    require_same_classes(("road", "car"), dataset("road", "car"))


def test_differences_are_listed() -> None:
    text = refusal(("road", "car", "sky"), ("road", "tram", "sky", "tree"))
    assert "3 in the model, 4 in the data" in text
    assert "1 only in the model: car" in text
    assert "2 only in the data: tram, tree" in text
    assert "To mend" in text


def test_a_class_too_few_is_no_order() -> None:
    text = refusal(("road", "car"), ("road",))
    assert "1 only in the model: car" in text
    assert "only in the data" not in text


def test_another_order_is_refused_with_the_right_one() -> None:
    text = refusal(("road", "car", "sky"), ("road", "sky", "car"))
    assert "class 1 is car in the model, sky in the data; 2 is sky" in text
    assert "renumber the masks" in text
    assert text.endswith("road, car, sky.")


def test_long_lists_are_cut() -> None:
    ours, theirs = (tuple(f"{side}{k}" for k in range(200)) for side in "ab")
    text = refusal(ours, theirs)
    assert "a7 and 192 more" in text
    assert "a8" not in text


def test_a_split_gives_its_samples(tmp_path: Path) -> None:
    root = folder.write(tmp_path / "data", train=2, val=3, test=1)
    found, samples = labelled_split(root, "val")
    assert len(samples) == 3
    assert found.splits["val"] == samples


def test_a_split_without_labels_is_refused(tmp_path: Path) -> None:
    root = folder.write(tmp_path / "data", train=2, val=2, test=3)
    shutil.rmtree(root / "masks" / "test")
    with pytest.raises(AtrousError, match=r"3 images .* have no labels.*--split val"):
        labelled_split(root, "test")


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    root = folder.write(tmp_path / "data", train=2, val=0, test=0)
    with pytest.raises(AtrousError, match=r"val split of .* no image with a mask.*--split train"):
        labelled_split(root, "val")


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    root = folder.write(tmp_path / "data", train=2, val=2, test=0)
    with pytest.raises(AtrousError, match=r"no split 'valid'; it has train, val, test"):
        labelled_split(root, "valid")
