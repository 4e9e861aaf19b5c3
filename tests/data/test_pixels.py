from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps, TiffImagePlugin
from PIL.PngImagePlugin import PngInfo

from atrous.core.errors import AtrousError
from atrous.data import pixels as pixels_module
from atrous.data.encoding import voc_colours
from atrous.data.pixels import read_image, read_mask, read_upright
from tests.data import folder

DEFAULT_PIXELS = Image.MAX_IMAGE_PIXELS


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


def _indexed(path: Path, index: list[int], greys: list[int], *further: int) -> Path:
    """Writes a palette mask of one row, whose palette holds greys and then `further` colours."""
    picture = Image.fromarray(np.array([index], np.uint8), mode="P")
    picture.putpalette([*(channel for grey in greys for channel in (grey,) * 3), *further])
    picture.save(path)
    return path


@pytest.mark.parametrize("end", ["png", "bmp", "tif"])
def test_greys_that_a_tool_put_into_a_palette_are_the_ids(tmp_path: Path, end: str) -> None:
    grey = np.array([[3, 0, 1, 255, 2, 3]], np.uint8)
    Image.fromarray(grey).save(tmp_path / f"grey.{end}")
    order = [2, 255, 3, 0, 1]
    moved = _indexed(tmp_path / f"moved.{end}", [order.index(v) for v in grey[0]], order)
    for path in (tmp_path / f"grey.{end}", moved):
        assert read_mask(path).tolist() == grey.tolist()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_the_ids_survive_a_palette_of_few_bits(tmp_path: Path, bits: int) -> None:
    order = [5, 2, 40, 0][: 2**bits]
    picture = Image.fromarray(np.arange(len(order), dtype=np.uint8)[None], mode="P")
    picture.putpalette([channel for grey in order for channel in (grey,) * 3])
    picture.save(tmp_path / "a.png", bits=bits)
    assert read_mask(tmp_path / "a.png").tolist() == [order]


def test_a_palette_that_is_a_map_of_colours_is_read_by_index(tmp_path: Path) -> None:
    picture = Image.fromarray(np.array([[0, 7, 8, 255]], np.uint8))
    picture.putpalette([channel for colour in voc_colours(256) for channel in colour])
    picture.save(tmp_path / "voc.png")
    assert read_mask(tmp_path / "voc.png").tolist() == [[0, 7, 8, 255]]
    # A map with white ground, of which a mask shows nothing else; and one whose entries are equal.
    assert read_mask(_indexed(tmp_path / "ground.png", [0, 0], [255], 200, 0, 0)).max() == 0
    assert read_mask(_indexed(tmp_path / "blank.png", [0, 1], [0, 0])).max() == 1
    assert read_mask(_indexed(tmp_path / "own.png", [0, 1, 2], [0, 1, 2], 9, 8, 7)).max() == 2


def test_palettes_that_can_be_read_in_two_ways_are_refused(tmp_path: Path) -> None:
    for path in (
        _indexed(tmp_path / "white.png", [0, 1], [0, 255]),
        _indexed(tmp_path / "partly.png", [0, 1, 2], [2, 1, 0], 255, 0, 0),
    ):
        with pytest.raises(AtrousError, match="nothing tells which of the two is meant"):
            read_mask(path)


@pytest.mark.parametrize("bits", [2, 4])
def test_greys_of_few_bits_are_refused_where_they_are_not_zero(tmp_path: Path, bits: int) -> None:
    def row(sample: int) -> bytes:
        return bytes([0, sample << (8 - bits)])

    def chunk(kind: bytes, content: bytes) -> bytes:
        packed = struct.pack(">I", len(content)) + kind + content
        return packed + struct.pack(">I", zlib.crc32(kind + content))

    for sample in (0, 3):
        header = struct.pack(">IIBBBBB", 1, 1, bits, 0, 0, 0, 0)
        content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row(sample)))
        start = b"\x89PNG\r\n\x1a\n"
        (tmp_path / f"{sample}.png").write_bytes(start + content + chunk(b"IEND", b""))
    assert read_mask(tmp_path / "0.png").tolist() == [[0]]
    with pytest.raises(AtrousError, match=f"grey image of {bits} bits a pixel.*, others 3"):
        read_mask(tmp_path / "3.png")


@pytest.mark.parametrize("compression", ["jpeg", "tiff_lzw", "tiff_deflate", "packbits", None])
def test_a_tiff_is_a_mask_where_its_compression_loses_nothing(
    tmp_path: Path, compression: str | None
) -> None:
    mask = folder.labels(0, 1, 2, height=16)
    mask.save(tmp_path / "a.tif", compression=compression)
    if compression == "jpeg":
        with pytest.raises(AtrousError, match=r"TIFF \(jpeg\).* can change class ids"):
            read_mask(tmp_path / "a.tif")
    else:
        assert (read_mask(tmp_path / "a.tif") == np.asarray(mask)).all()


@pytest.mark.parametrize(("mode", "most"), [("1", 1), ("L", 255)])
def test_a_mask_in_which_0_is_white_is_refused_and_an_image_is_read(
    tmp_path: Path, mode: str, most: int
) -> None:
    picture = Image.fromarray(np.array([[0, 0, most]], np.uint8) != 0).convert(mode)
    inverted = tmp_path / "inverted.tif"
    picture.save(inverted, tiffinfo={262: 0})
    with Image.open(inverted) as written:
        assert isinstance(written, TiffImagePlugin.TiffImageFile)
        assert (written.tag_v2[262], written.mode) == (0, mode)
    with pytest.raises(AtrousError, match=f"0 is white: .* k to some programs is {most} - k"):
        read_mask(inverted)
    assert read_image(inverted)[0, :, 0].tolist() == [0, 0, 255]


def test_masks_that_hold_more_than_ids_are_refused_with_the_true_reason(tmp_path: Path) -> None:
    ids = np.asarray(folder.labels(0, 1, 2))
    Image.fromarray(ids.astype(np.int32)).save(tmp_path / "int.tif")
    Image.fromarray(ids.astype(np.float32)).save(tmp_path / "float.tif")
    folder.labels(0, 1, 2).convert("LA").save(tmp_path / "alpha.png")
    folder.picture(1).save(tmp_path / "lossy.webp")
    for name, reason in (
        ("int.tif", "32 bits a pixel .values up to 2"),
        ("float.tif", "floating-point values"),
        ("alpha.png", "alpha channel .LA"),
        ("lossy.webp", "WEBP file"),
    ):
        with pytest.raises(AtrousError, match=reason):
            read_mask(tmp_path / name)


@pytest.mark.parametrize("name", ["a.tif", "a.gif", "a.png", "a.webp"])
@pytest.mark.parametrize("read", [read_image, read_mask])
def test_a_file_of_two_images_is_refused(
    tmp_path: Path, name: str, read: Callable[[Path], object]
) -> None:
    first, second = folder.picture(1), folder.picture(2)
    first.save(tmp_path / name, save_all=True, append_images=[second])
    with pytest.raises(AtrousError, match="holds 2 images, of which only one would be read"):
        read(tmp_path / name)


def test_reduced_copies_in_a_tiff_are_no_further_images(tmp_path: Path) -> None:
    small = folder.picture(1, 4, 4)
    small.encoderinfo = {"tiffinfo": {254: 1}}
    folder.picture(1).save(tmp_path / "a.tif", save_all=True, append_images=[small])
    assert (read_image(tmp_path / "a.tif") == np.asarray(folder.picture(1))).all()


def test_a_big_tiff_is_read(tmp_path: Path) -> None:
    folder.labels(0, 1, 2).save(tmp_path / "a.tif", big_tiff=True)
    assert (read_mask(tmp_path / "a.tif") == np.asarray(folder.labels(0, 1, 2))).all()


@pytest.mark.parametrize("kind", [np.int32, np.uint16])
def test_images_that_would_be_black_are_refused(
    tmp_path: Path, kind: type[np.integer[Any]]
) -> None:
    grey = np.asarray(folder.picture(1).convert("L")).astype(kind)
    Image.fromarray(grey).save(tmp_path / "a.tif")
    with pytest.raises(AtrousError, match=r"32-bit integers \(values|no value reaches 256"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB", "RGBA", "LA", "1"])
def test_an_image_of_any_mode_is_read(tmp_path: Path, mode: str) -> None:
    picture = Image.new(mode, (4, 3))
    picture.save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif").shape == (3, 4, 3)


@pytest.mark.parametrize("megabytes", [3, 100])
def test_large_texts_and_profiles_do_not_keep_an_image_from_being_read(
    tmp_path: Path, megabytes: int
) -> None:
    text = PngInfo()
    text.add_text("xml", "A" * (megabytes << 20), zip=True)
    folder.picture(1).save(tmp_path / "text.png", pnginfo=text)
    folder.picture(1).save(tmp_path / "profile.png", icc_profile=bytes(megabytes << 20))
    for name in ("text.png", "profile.png"):
        if megabytes == 3:
            assert (read_image(tmp_path / name) == np.asarray(folder.picture(1))).all()
        else:
            with pytest.raises(AtrousError, match=r"64 MiB.*without metadata"):
                read_image(tmp_path / name)
    assert Image.MAX_IMAGE_PIXELS == DEFAULT_PIXELS


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
    with pixels_module._any_size():
        assert isinstance(Image.MAX_IMAGE_PIXELS, int), "threads that crop meanwhile count with it"
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
