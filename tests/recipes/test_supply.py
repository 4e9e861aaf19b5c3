from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.recipes import RECIPES
from atrous.recipes.changes import require_data
from tests.data.layouts.miniatures import MINIATURES
from tests.recipes.small import data_of


def refusal(name: str, root: Path) -> str:
    with pytest.raises(AtrousError) as error:
        require_data(RECIPES[name], root)
    return str(error.value)


@pytest.mark.parametrize("name", ["cityscapes-dpc", "person-part-dpc", "voc-dpc"])
def test_absent_data(name: str, tmp_path: Path) -> None:
    text = refusal(name, tmp_path / "data")
    need = RECIPES[name].need
    assert f"needs {need.layout}" in text
    assert "does not exist" in text
    for download in need.downloads:
        assert download.what in text
        assert f"from {download.page}" in text
    assert f"into {tmp_path / 'data'}" in text
    assert "docs/datasets.md" in text


def test_an_empty_folder_and_a_file(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    assert "is empty" in refusal("voc-dpc", tmp_path / "empty")
    assert "is a file" in refusal("voc-dpc", tmp_path / "file")


def test_another_data_set(tmp_path: Path) -> None:
    MINIATURES["ADE20K"](tmp_path)
    text = refusal("cityscapes-dpc", tmp_path)
    assert "laid out as ADE20K" in text
    assert "gtFine_trainvaltest.zip" in text


def test_something_else(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    assert "is not laid out so. To mend" in refusal("cityscapes-dpc", tmp_path)


def test_a_missing_part(tmp_path: Path) -> None:
    recipe = RECIPES["cityscapes-dpc"]
    root = data_of(recipe, tmp_path)
    shutil.rmtree(root / "gtFine")
    assert "has no gtFine/train" in refusal(recipe.name, root)


def test_the_right_one_of_two_in_a_folder(tmp_path: Path) -> None:
    for name in ("person-part-dpc", "voc-dpc"):
        data_of(RECIPES[name], tmp_path)
    for name in ("person-part-dpc", "voc-dpc"):
        recipe = RECIPES[name]
        assert require_data(recipe, tmp_path).layout == recipe.need.layout
