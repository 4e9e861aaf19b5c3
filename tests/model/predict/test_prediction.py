"""A model applied to files: odd ones, broken ones, large ones, and those that are done."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from atrous.core.errors import AtrousError
from atrous.data.pixels import Pixels, read_upright
from atrous.model.model import Model
from atrous.model.predict.images import find_images
from atrous.model.predict.memory import bytes_per_pixel, needed
from atrous.model.predict.outputs import InputImage, Outputs, Provenance, find_writers, open_outputs
from atrous.model.predict.prediction import (
    HELD,
    PEAK,
    USUAL_PEAK,
    Outcome,
    Predicted,
    PredictionMethod,
    Refused,
    Skipped,
    predict_images,
    predicted_ids,
)
from atrous.tasks.segmentation.probabilities import probabilities
from tests.model.predict.material import picture, save, small_model

PLAIN = PredictionMethod((1.0,), False, "cpu", 2**30)
ABOUT = Provenance("0", (1.0,), flip=False)


@pytest.fixture(scope="module")
def model() -> Model:
    return small_model()


def run(
    model: Model, folder: Path, out: Path, method: PredictionMethod = PLAIN, overwrite: bool = False
) -> list[Outcome]:
    images = find_images([folder], out)
    outputs = Outputs(out, find_writers("ids,colours,overlay"), model.colours)
    open_outputs(outputs, images, ABOUT, overwrite)
    return list(predict_images(model, images, outputs, method, read_upright))


def ids_of(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(path) as opened:
        return np.asarray(opened)


def test_each_pixel_gets_its_most_probable_class(model: Model, tmp_path: Path) -> None:
    pixels = picture(70, 90)
    save(tmp_path / "in/sub/a.png", pixels)
    method = replace(PLAIN, scales=(0.75, 1.0), flip=True)
    (outcome,) = run(model, tmp_path / "in", tmp_path / "out", method)
    assert isinstance(outcome, Predicted)
    assert outcome.tiles == 1
    expected = probabilities(model.network, model.transform(pixels), (0.75, 1.0), True).argmax(0)
    found = ids_of(tmp_path / "out/ids/sub/a.png")
    np.testing.assert_array_equal(found, expected.numpy())
    assert len(np.unique(found)) > 1
    assert (tmp_path / "out/colours/sub/a.png").is_file()
    assert (tmp_path / "out/overlay/sub/a.jpg").is_file()


def test_odd_images_are_predicted_in_their_size(model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    save(folder / "dot.png", picture(1, 1))
    save(folder / "line.png", picture(1, 40))
    save(folder / "deep.png", (picture(20, 30)[:, :, 0].astype(np.uint16) * 257))
    pictures = {"grey.png": "L", "bits.png": "1", "print.jpg": "CMYK", "clear.png": "RGBA"}
    for name, mode in (pictures | {"palette.png": "P", "half.png": "LA"}).items():
        Image.fromarray(picture(20, 30)).convert(mode).save(folder / name)
    outcomes = run(model, folder, tmp_path / "out")
    assert all(isinstance(outcome, Predicted) for outcome in outcomes)
    sizes = {path.stem: ids_of(path).shape for path in (tmp_path / "out/ids").iterdir()}
    expected = {Path(name).stem: (20, 30) for name in (*pictures, "palette.png", "half.png")}
    assert sizes == expected | {"dot": (1, 1), "line": (1, 40), "deep": (20, 30)}


def test_a_photo_that_is_noted_as_turned_is_predicted_upright(model: Model, tmp_path: Path) -> None:
    pixels = picture(48, 80)
    save(tmp_path / "in/upright.png", pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(pixels).transpose(Image.Transpose.ROTATE_90)
    stored.save(tmp_path / "in/turned.png", exif=exif)
    run(model, tmp_path / "in", tmp_path / "out")
    for kind in ("ids", "colours"):
        upright, turned = (tmp_path / f"out/{kind}/{name}.png" for name in ("upright", "turned"))
        np.testing.assert_array_equal(ids_of(turned), ids_of(upright))


def test_a_broken_file_is_named_and_the_others_are_done(model: Model, tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        save(tmp_path / "in" / name, picture(20, 30))
    broken = tmp_path / "in/b.png"
    broken.write_bytes(broken.read_bytes()[:200])
    outcomes = run(model, tmp_path / "in", tmp_path / "out")
    assert [type(outcome) for outcome in outcomes] == [Predicted, Refused, Predicted]
    assert isinstance(outcomes[1], Refused)
    assert str(broken) in str(outcomes[1].error)
    assert {path.name for path in (tmp_path / "out/ids").iterdir()} == {"a.png", "c.png"}


def test_an_image_beyond_the_memory_is_computed_in_tiles(model: Model, tmp_path: Path) -> None:
    size, pixels = (300, 700), picture(300, 700)
    save(tmp_path / "in/a.png", pixels)
    per_pixel = bytes_per_pixel(model.network, (1.0,), False)
    tight = needed(size, (220, 220), per_pixel, 3) + HELD * size[0] * size[1]
    (outcome,) = run(
        model, tmp_path / "in", tmp_path / "out", replace(PLAIN, memory=math.ceil(tight))
    )
    assert isinstance(outcome, Predicted)
    assert outcome.tiles == 8
    expected = probabilities(model.network, model.transform(pixels), tile=220).argmax(0)
    np.testing.assert_array_equal(ids_of(tmp_path / "out/ids/a.png"), expected.numpy())


def test_too_little_memory_is_refused_with_the_least_that_does(
    model: Model, tmp_path: Path
) -> None:
    save(tmp_path / "in/a.png", picture(300, 700))
    (refused,) = run(model, tmp_path / "in", tmp_path / "out", replace(PLAIN, memory=2**20))
    assert isinstance(refused, Refused)
    enough = int(str(refused.error).partition("which needs ")[2].partition(" MiB")[0])
    method = replace(PLAIN, memory=enough * 2**20)
    (done,) = run(model, tmp_path / "in", tmp_path / "out", method)
    assert isinstance(done, Predicted)


def test_what_is_too_large_is_refused_from_its_header(model: Model, tmp_path: Path) -> None:
    """Decoding would take the memory that there is not."""
    path = save(tmp_path / "in/a.png", picture(300, 700))
    outputs = Outputs(tmp_path / "out", find_writers("ids"), model.colours)
    method = replace(PLAIN, memory=2**20)

    def decoded(_: Path) -> Pixels:
        raise AssertionError("decoded what is refused")

    (refused,) = predict_images(
        model, find_images([path], outputs.folder), outputs, method, decoded
    )
    assert isinstance(refused, Refused)
    assert "is 700 x 300 pixels, which needs " in str(refused.error)


DECODE = """
import sys
from pathlib import Path
from atrous.data.pixels import read_upright

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

before = peak()
height, width, _ = read_upright(Path(sys.argv[1])).shape
print((peak() - before) / (height * width))
"""


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {"compress_level": 1}),
        ("a.jpg", {"progressive": True, "subsampling": 0, "quality": 95}),
        ("a.webp", {"quality": 60, "method": 0}),
    ],
)
def test_decoding_takes_no_more_than_is_counted(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    large = Image.fromarray(picture(160, 200)).resize((4000, 3200))
    large.save(tmp_path / name, **options)
    command = [sys.executable, "-c", DECODE, str(tmp_path / name)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert 4 < float(told.stdout) < PEAK.get(Path(name).suffix, USUAL_PEAK)


def test_tiles_never_hold_the_probabilities_of_a_whole_image(model: Model) -> None:
    held: list[int] = []

    def note(_module: torch.nn.Module, _inputs: object, logits: torch.Tensor) -> None:
        held.append(logits.shape[-2] * logits.shape[-1])

    handle = model.network.register_forward_hook(note)
    ids, tiles = predicted_ids(model, picture(500, 400), PLAIN, (130, 130))
    handle.remove()
    assert ids.shape == (500, 400)
    assert tiles == len(held) == 20
    assert max(held) <= 130 * 130


def test_what_is_done_is_skipped_until_its_image_changes(model: Model, tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        save(tmp_path / "in" / name, picture(20, 30))
    out = tmp_path / "out"
    run(model, tmp_path / "in", out)
    (out / "overlay/b.jpg").unlink()
    later = (out / "ids/c.png").stat().st_mtime_ns + 10**9
    os.utime(tmp_path / "in/c.png", ns=(later, later))
    kinds = [type(outcome) for outcome in run(model, tmp_path / "in", out)]
    assert kinds == [Skipped, Predicted, Predicted]


def test_writing_anew_goes_on_where_it_was_interrupted(model: Model, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path / "in" / name, picture(20, 30))
    out = tmp_path / "out"
    run(model, tmp_path / "in", out)
    for path in out.rglob("*.*"):
        os.utime(path, ns=(10**18, 10**18))
    images = find_images([tmp_path / "in"], out)
    for image in images:
        os.utime(image.path, ns=(10**17, 10**17))
    outputs = Outputs(out, find_writers("ids,colours,overlay"), model.colours)
    open_outputs(outputs, images, ABOUT, overwrite=True)
    outcomes = predict_images(model, images, outputs, PLAIN, read_upright)
    assert isinstance(next(outcomes), Predicted)
    kinds = [type(outcome) for outcome in run(model, tmp_path / "in", out)]
    assert kinds == [Skipped, Predicted]


def test_predictions_made_otherwise_are_not_mixed_in(model: Model, tmp_path: Path) -> None:
    save(tmp_path / "in/a.png", picture(20, 30))
    run(model, tmp_path / "in", tmp_path / "out")
    outputs = Outputs(tmp_path / "out", find_writers("ids"), model.colours)
    with pytest.raises(AtrousError, match=r"scales \[1.0\], now \[0.5\].*--overwrite"):
        open_outputs(outputs, (), replace(ABOUT, scales=(0.5,)), overwrite=False)
    open_outputs(outputs, (), replace(ABOUT, scales=(0.5,)), overwrite=True)
    open_outputs(outputs, (), replace(ABOUT, scales=(0.5,)), overwrite=False)


def test_a_file_that_is_no_prediction_is_not_overwritten(model: Model, tmp_path: Path) -> None:
    mine = save(tmp_path / "out/ids/a.png", picture(5, 5))
    image = InputImage("a", save(tmp_path / "in/a.png", picture(5, 5)))
    outputs = Outputs(tmp_path / "out", find_writers("ids"), model.colours)
    before = mine.read_bytes()
    with pytest.raises(AtrousError, match=r"ids/a\.png is there already"):
        open_outputs(outputs, [image], ABOUT, overwrite=False)
    assert mine.read_bytes() == before
