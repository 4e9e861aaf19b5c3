"""What is written about an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from atrous.core.errors import AtrousError
from atrous.data.encoding import distinct
from atrous.model.predict.outputs import WRITERS, find_writers
from tests.model.predict.material import picture

COLOURS = distinct(5)
IDS = np.random.default_rng(0).integers(0, 5, (600, 31)).astype(np.uint8)
IMAGE = picture(600, 31)


def written(kind: str, folder: Path) -> Image.Image:
    writer = WRITERS[kind]
    path = writer.path(folder, "sub/a.b")
    writer.write(path, IMAGE, IDS, COLOURS)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    with Image.open(path) as opened:
        opened.load()
    return opened


def test_ids_are_an_8_bit_grey_png_of_class_numbers(tmp_path: Path) -> None:
    found = written("ids", tmp_path)
    assert (tmp_path / "ids/sub/a.b.png").is_file()
    assert (found.format, found.mode) == ("PNG", "L")
    np.testing.assert_array_equal(np.asarray(found), IDS)


def test_colours_are_those_of_the_classes_and_their_indices_the_ids(tmp_path: Path) -> None:
    found = written("colours", tmp_path)
    assert (found.format, found.mode) == ("PNG", "P")
    np.testing.assert_array_equal(np.asarray(found), IDS)
    np.testing.assert_array_equal(np.asarray(found.convert("RGB")), np.array(COLOURS)[IDS])


def test_an_overlay_is_half_image_and_half_colour(tmp_path: Path) -> None:
    found = written("overlay", tmp_path)
    assert (found.format, found.mode, found.size) == ("JPEG", "RGB", (31, 600))
    drawn = WRITERS["overlay"].draw(IMAGE, IDS, COLOURS)
    expected = (IMAGE.astype(float) + np.array(COLOURS)[IDS]) / 2
    assert np.abs(np.asarray(drawn) - expected).max() <= 0.5


def test_an_overlay_on_a_turned_image_is_upright(tmp_path: Path) -> None:
    turned = IMAGE.transpose(1, 0, 2)[:, ::-1]
    WRITERS["overlay"].write(tmp_path / "a.jpg", turned, IDS.T[:, ::-1], COLOURS)
    with Image.open(tmp_path / "a.jpg") as found:
        assert found.size == (600, 31)


def test_a_full_disk_or_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "ids").write_text("a file where the folder belongs")
    with pytest.raises(AtrousError, match=r"Expected to write .*a\.png, but .*--out"):
        WRITERS["ids"].write(tmp_path / "ids" / "a.png", IMAGE, IDS, COLOURS)


def test_writers_are_chosen_by_name() -> None:
    assert find_writers("overlay, ids,ids") == (WRITERS["overlay"], WRITERS["ids"])
    for text in ("", "ids,video"):
        with pytest.raises(AtrousError, match="one or more of ids, colours, overlay"):
            find_writers(text)
