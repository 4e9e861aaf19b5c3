from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from atrous.core.errors import AtrousError
from atrous.data.pixels import read_image, read_mask, read_upright
from tests.data import folder


def test_an_image_comes_as_rgb_in_height_and_width(tmp_path: Path) -> None:
    folder.picture(1).save(tmp_path / "a.png")
    pixels = read_image(tmp_path / "a.png")
    assert pixels.shape == (folder.HEIGHT, folder.WIDTH, 3)
    assert pixels.dtype == np.uint8
    assert (pixels == np.asarray(folder.picture(1))).all()


@pytest.mark.parametrize("mode", ["L", "LA", "1", "RGBA", "P"])
def test_other_modes_are_turned_into_rgb(tmp_path: Path, mode: str) -> None:
    picture = folder.picture(1).convert(mode)
    picture.save(tmp_path / "a.png")
    expected = np.asarray(picture.convert("RGB"))
    assert (read_image(tmp_path / "a.png") == expected).all()


def test_cmyk_is_turned_into_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (4, 3), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif")[0, 0].tolist() == [255, 0, 0]


def test_a_palette_with_a_transparent_colour_keeps_its_colours(tmp_path: Path) -> None:
    picture = folder.picture(1).convert("P")
    picture.save(tmp_path / "a.png", transparency=b"\x00\x80")
    assert (read_image(tmp_path / "a.png") == np.asarray(picture.convert("RGB"))).all()


def test_of_sixteen_bits_the_upper_eight_are_kept(tmp_path: Path) -> None:
    values = np.array([[0, 256, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[0].tolist() == [[0] * 3, [1] * 3, [255] * 3]


def test_floating_point_images_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((3, 4), dtype=np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(AtrousError, match=r"a\.tif: stores floating-point"):
        read_image(tmp_path / "a.tif")


def test_exif_rotation_is_not_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    folder.picture(1).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (folder.HEIGHT, folder.WIDTH, 3)


def test_a_palette_masks_indices_are_the_ids(tmp_path: Path) -> None:
    palette = folder.palette(folder.labels(0, 2, 255))
    palette.save(tmp_path / "a.png")
    expected = np.asarray(folder.labels(0, 2, 255))
    assert (read_mask(tmp_path / "a.png") == expected).all()


def test_a_two_colour_mask_holds_0_and_1(tmp_path: Path) -> None:
    folder.labels(0, 255).convert("1").save(tmp_path / "a.png")
    assert np.unique(read_mask(tmp_path / "a.png")).tolist() == [0, 1]


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_truncated_files_are_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    folder.picture(1, 64, 64).save(path)
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(AtrousError, match=name.replace(".", r"\.") + ": cannot be read"):
        read_image(path)


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("not a picture")
    with pytest.raises(AtrousError, match=r"a\.png: cannot be read \(is not an image\)"):
        read_mask(tmp_path / "a.png")


def test_masks_of_sixteen_bits_colour_or_lossy_are_refused_with_a_mend(tmp_path: Path) -> None:
    Image.fromarray(np.full((3, 4), 300, dtype=np.uint16)).save(tmp_path / "deep.png")
    folder.picture(1).save(tmp_path / "colour.png")
    folder.labels(0, 1).convert("RGB").save(tmp_path / "equal.png")
    folder.labels(0, 1).save(tmp_path / "lossy.jpg")
    for name, message in (
        ("deep.png", "16 bits a pixel .values up to 300.*To mend: save it as an 8-bit"),
        ("colour.png", "colour image .RGB.*To mend: replace each colour"),
        ("equal.png", "channels are equal.*To mend: keep one channel"),
        ("lossy.jpg", "JPEG.*To mend: export the masks again as PNG"),
    ):
        with pytest.raises(AtrousError, match=message):
            read_mask(tmp_path / name)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_upright_image_is_turned_as_pil_turns_it(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    folder.picture(1).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    np.testing.assert_array_equal(read_upright(tmp_path / "a.png"), expected)


def test_a_large_image_is_read_without_a_warning(tmp_path: Path) -> None:
    large = Image.new("L", (12000, 9000))
    large.putpixel((11999, 8999), 77)
    large.save(tmp_path / "a.png", compress_level=1)
    limit = Image.MAX_IMAGE_PIXELS
    pixels = read_image(tmp_path / "a.png")
    assert pixels.shape == (9000, 12000, 3)
    assert pixels[-1, -1].tolist() == [77, 77, 77]
    assert limit == Image.MAX_IMAGE_PIXELS


def test_an_image_that_no_memory_holds_is_refused_unread(tmp_path: Path) -> None:
    Image.new("L", (1, 1)).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[16:24] = struct.pack(">II", 60000, 50000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(AtrousError, match=r"a\.png: is 60000 x 50000 pixels; 1,073,741,824 are"):
        read_image(tmp_path / "a.png")
