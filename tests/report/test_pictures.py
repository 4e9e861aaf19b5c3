"""Sheets of pictures made fit for a page."""

from __future__ import annotations

from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from atrous.core.errors import AtrousError
from atrous.report.pictures import embedded, middle_row, read_sheet
from tests.report.trainings import evaluation, write_pictures


def _sheet(folder: Path, rows: int) -> Image.Image:
    write_pictures(folder, evaluation("val", 0.6), 0.6, rows)
    return read_sheet(folder / "pictures-1.png")


@pytest.mark.parametrize(("rows", "place"), [(1, 0), (3, 1), (4, 2), (5, 2)])
def test_the_middle_row_is_that_of_the_image_in_the_middle(
    tmp_path: Path, rows: int, place: int
) -> None:
    """A sheet's rows are the same for every number of rows: the row by itself is looked for."""
    sheet = _sheet(tmp_path / "sheet", rows)
    row = middle_row(sheet)
    assert row.width == sheet.width
    assert 360 + 56 <= row.height <= 360 + 70
    height = 56 + 360 + 10
    expected = sheet.crop((0, 10 + place * height, sheet.width, 10 + place * height + 416))
    found = np.asarray(row.crop((0, 0, sheet.width, 416)), np.int16)
    assert np.array_equal(found, np.asarray(expected, np.int16))


def test_a_sheet_without_rows_is_shown_whole() -> None:
    blank = Image.new("RGB", (300, 200), "white")
    assert middle_row(blank) is blank
    thin = Image.new("RGB", (300, 200), "white")
    thin.paste("red", (0, 20, 300, 40))
    assert middle_row(thin) is thin


def test_an_embedded_picture_is_small_and_looks_the_same(tmp_path: Path) -> None:
    sheet = _sheet(tmp_path / "sheet", 3)
    picture = embedded(sheet)
    kind, content = picture.uri.split(",")
    assert kind == "data:image/jpeg;base64"
    assert len(content) < 400_000
    with Image.open(BytesIO(b64decode(content))) as image:
        assert image.size == (picture.width, picture.height) == (1280, picture.height)
        shown = np.asarray(image.convert("RGB"), np.int16)
    truth = np.asarray(sheet.resize(image.size, Image.Resampling.BOX), np.int16)
    assert np.abs(shown - truth).mean() < 6


def test_a_small_picture_is_not_enlarged() -> None:
    picture = embedded(Image.new("RGB", (40, 30)))
    assert (picture.width, picture.height) == (40, 30)


def test_a_damaged_sheet_is_told(tmp_path: Path) -> None:
    (tmp_path / "pictures-1.png").write_bytes(b"no picture")
    with pytest.raises(AtrousError, match=r"Expected pictures in .*pictures-1\.png"):
        read_sheet(tmp_path / "pictures-1.png")
