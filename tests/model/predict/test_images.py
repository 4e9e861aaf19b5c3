"""Which images are meant, and what their results are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.model.predict.images import find_images


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
    (tmp_path / "empty").mkdir()
    with pytest.raises(AtrousError, match=r"images in .*empty, but no file .*\.bmp, \.jpeg"):
        find_images([tmp_path / "empty"], tmp_path / "out")
