"""From images of every kind to a normalised tensor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from atrous.core.errors import AtrousError
from atrous.core.records import RecordError, from_json, to_json
from atrous.data.pixels import read_image
from atrous.data.transform import Transform
from tests.cases import each
from tests.data import folder

PLAIN = Transform((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
IMAGENET = Transform((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HEIGHT, WIDTH = 5, 7


def test_each_channel_is_normalised_with_its_own_numbers() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    found = IMAGENET(pixels)
    assert found.shape == (3, HEIGHT, WIDTH)
    assert found.dtype == torch.float32
    assert found.is_contiguous()
    expected = (pixels / 255.0 - np.array(IMAGENET.mean)) / np.array(IMAGENET.std)
    np.testing.assert_allclose(found.permute(1, 2, 0).numpy(), expected, atol=1e-6)


@each("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_every_8_bit_mode_is_taken(mode: str) -> None:
    picture = folder.picture(1, HEIGHT, WIDTH).convert(mode)
    expected = np.asarray(picture.convert("RGB"))
    assert (255 * PLAIN(picture)).round().permute(1, 2, 0).numpy().tolist() == expected.tolist()


def test_transparency_is_dropped() -> None:
    found = PLAIN(Image.new("RGBA", (2, 1), (10, 20, 30, 0)))
    assert (255 * found[:, 0, 0]).tolist() == [10, 20, 30]


@pytest.mark.parametrize("kind", [np.uint16, np.int32])
def test_of_16_bits_the_upper_8_are_kept(kind: type[np.integer[Any]]) -> None:
    values = np.array([[0, 256, 65535]], dtype=kind)
    assert (255 * PLAIN(Image.fromarray(values)))[0].round().tolist() == [[0, 1, 255]]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_a_file_gives_what_the_network_was_trained_on(name: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    folder.picture(1).save(tmp_path / name, exif=exif)
    with Image.open(tmp_path / name) as picture:
        found = IMAGENET(picture)
    assert torch.equal(found, IMAGENET(read_image(tmp_path / name)))


@pytest.mark.parametrize("where", ["grey", "fortran", "flipped", "read-only"])
def test_arrays_in_any_order_of_memory_are_taken(where: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    if where == "grey":
        assert torch.equal(PLAIN(pixels[:, :, 0])[2], PLAIN(pixels)[0])
    elif where == "fortran":
        assert torch.equal(PLAIN(np.asfortranarray(pixels)), PLAIN(pixels))
    elif where == "flipped":
        assert torch.equal(PLAIN(pixels[:, ::-1]), PLAIN(pixels).flip(2))
    else:
        expected = PLAIN(pixels)
        pixels.flags.writeable = False
        assert torch.equal(PLAIN(pixels), expected)


def test_the_array_is_not_changed() -> None:
    pixels = np.full((HEIGHT, WIDTH, 3), 7, dtype=np.uint8)
    PLAIN(pixels).zero_()
    assert (pixels == 7).all()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Image.new("F", (2, 2)), "the image: stores floating-point"),
        (Image.new("RGB", (0, 3)), "3 x 0"),
        (np.zeros((4, 4, 3), np.float32), "uint8.*float32"),
        (np.zeros((3, 4, 4), np.uint8), r"\[3, 4, 4\].*channels last"),
        (np.zeros((4, 4, 4), np.uint8), "drop any but red, green and blue"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"\[2, 4, 4, 3\]"),
        ("photo.jpg", "got str. Open a file with PIL"),
    ],
)
def test_what_is_no_image_is_refused_with_a_mend(image: Any, message: str) -> None:
    with pytest.raises(AtrousError, match=message):
        PLAIN(image)


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    folder.picture(1, 64, 64).save(path)
    path.write_bytes(path.read_bytes()[:-900])
    with Image.open(path) as picture, pytest.raises(AtrousError, match=r"cut\.png"):
        PLAIN(picture)


def test_it_survives_json() -> None:
    assert from_json(Transform, json.loads(json.dumps(to_json(IMAGENET)))) == IMAGENET


@pytest.mark.parametrize(
    "fields",
    [
        {"mean": [0, 0], "std": [1, 1, 1]},
        {"mean": [0, 0, 0], "std": [1, 0, 1]},
        {"mean": [0, 0, float("nan")], "std": [1, 1, 1]},
        {"mean": ["a", "b", "c"], "std": [1, 1, 1]},
        {"mean": 3, "std": 4},
        {"mean": [0, 0, 0]},
    ],
)
def test_numbers_that_normalise_nothing_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(RecordError):
        from_json(Transform, fields)
