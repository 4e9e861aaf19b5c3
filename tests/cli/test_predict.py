"""`atrous predict` as a user types it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from atrous.cli.model import predict
from atrous.core.errors import AtrousError
from atrous.data.layouts.cityscapes import ROWS
from atrous.stages.told import parse_memory
from tests.data.layouts import miniatures
from tests.model.material import saved
from tests.model.predict.material import picture, save

app = typer.Typer()
app.command()(predict)


def run(*arguments: str | Path) -> Result:
    found = CliRunner().invoke(app, [*map(str, arguments), "--device", "cpu"])
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("a.png", "sub/b.png", "c.png"):
        save(tmp_path / "photos" / name, picture(40, 56))
    return tmp_path / "photos"


def test_a_folder_of_images_is_predicted_and_the_second_time_skipped(
    model: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    asked = (model, photos, "--out", out, "--scales", "0.5,1", "--flip")
    first = run(*asked)
    assert first.exit_code == 0
    assert "3 predicted. See" in first.stdout
    files = {path.relative_to(out).as_posix() for path in out.rglob("*.*")}
    names = ("a", "sub/b", "c")
    expected = {f"{kind}/{name}.png" for name in names for kind in ("ids", "colours")}
    assert files == expected | {f"overlay/{name}.jpg" for name in names} | {"predictions.json"}
    second = run(*asked)
    assert "0 predicted; 3 skipped" in second.stdout
    assert "3 predicted" in run(*asked, "--overwrite").stdout


def test_other_settings_need_another_folder(model: Path, photos: Path, tmp_path: Path) -> None:
    run(model, photos / "a.png", "--out", tmp_path / "out", "--write", "ids")
    with pytest.raises(AtrousError, match="flip False, now True"):
        run(model, photos, "--out", tmp_path / "out", "--flip")
    other = saved(tmp_path / "other", seed=4)
    with pytest.raises(AtrousError, match=r"model .*, now .*--overwrite"):
        run(other, photos, "--out", tmp_path / "out")


def test_one_broken_file_makes_the_exit_code_1(model: Path, photos: Path, tmp_path: Path) -> None:
    (photos / "b.jpg").write_bytes(b"no image")
    found = run(model, photos, "--out", tmp_path / "out", "--write", "ids")
    assert found.exit_code == 1
    assert "3 predicted; 1 that could not be used" in found.stdout
    assert f"error: {photos / 'b.jpg'}: cannot be read (is not an image)" in found.stderr


def test_what_the_check_says_of_images_is_told(model: Path, tmp_path: Path) -> None:
    deep = np.linspace(0, 4095, 40 * 56).reshape(40, 56)
    for number in range(5):
        path = tmp_path / "photos" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(deep.astype(np.uint16)).save(path)
    found = run(model, tmp_path / "photos", "--out", tmp_path / "out", "--write", "ids")
    assert found.exit_code == 0
    assert "0.png has 16 bits a pixel, of which the upper 8 are used (its brightest" in found.stderr
    assert found.stderr.count("upper 8 are used") == 3
    assert found.stderr.count("there are more like these") == 1


def test_files_that_are_not_read_are_told(model: Path, photos: Path, tmp_path: Path) -> None:
    (photos / "more.gif").touch()
    (photos / "gone.png").symlink_to(tmp_path / "nowhere.png")
    found = run(model, photos, "--out", photos / "out", "--write", "ids")
    assert "3 predicted" in found.stdout
    assert f"note: {photos / 'more.gif'} is not read: its name ends in .gif" in found.stderr
    assert f"note: {photos / 'gone.png'} is a link to nothing" in found.stderr
    again = run(model, photos, "--out", photos / "out", "--write", "ids").stderr
    assert str(photos / "out") not in again


def test_an_image_that_would_be_black_is_refused(model: Path, tmp_path: Path) -> None:
    grey = np.asarray(picture(40, 56))[..., 0].astype(np.int32)
    Image.fromarray(grey).save(tmp_path / "a.tif")
    found = run(model, tmp_path / "a.tif", "--out", tmp_path / "out", "--write", "ids")
    assert found.exit_code == 1
    assert "stores 32-bit integers" in found.stderr
    assert not (tmp_path / "out" / "ids").exists()


def test_a_little_memory_means_tiles(model: Path, tmp_path: Path) -> None:
    save(tmp_path / "wide.png", picture(300, 1500))
    asked = (model, tmp_path / "wide.png", "--out", tmp_path / "out", "--scales", "2")
    found = run(*asked, "--memory", "300MiB")
    assert found.exit_code == 0, found.stderr
    assert "1 predicted, 1 of them in tiles" in found.stdout


def test_a_submission_is_written_and_how_to_pack_it(tmp_path: Path) -> None:
    classes = tuple(row.name for row in ROWS)
    colours = tuple(row.colour for row in ROWS)
    model = saved(tmp_path / "model", classes=classes, colours=colours)
    data = miniatures.cityscapes(tmp_path / "data")
    out = tmp_path / "out"
    found = run(model, data, "--out", out, "--submission", "cityscapes")
    assert found.exit_code == 0
    assert f"zip -r -j cityscapes.zip {out}/cityscapes" in found.stdout
    written = sorted((out / "cityscapes").iterdir())
    assert len(written) == 2
    with Image.open(written[0]) as opened:
        assert set(np.unique(np.asarray(opened))) <= {row.id for row in ROWS}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--scales", "0"), "numbers from 0.1 to 4"),
        (("--memory", "lots"), "--memory: Expected an amount such as 2GiB"),
        (("--write", "video"), "one or more of ids, colours, overlay"),
        (("--submission", "moon"), "cityscapes or voc"),
        (("--submission", "voc"), "not laid out as a data set"),
    ],
)
def test_errors_say_what_to_do_before_anything_is_written(
    model: Path, photos: Path, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    with pytest.raises(AtrousError, match=words):
        run(model, photos, "--out", tmp_path / "out", *options)
    assert not (tmp_path / "out").exists()


def test_amounts_of_memory() -> None:
    amounts = [parse_memory(text) for text in ("2GiB", "1.5 gib", "500MB")]
    assert amounts == [2**31, 3 * 2**29, 500_000_000]
    for text in ("2", "GiB", "-1GiB", "0GiB"):
        with pytest.raises(AtrousError, match="2GiB or 500MiB"):
            parse_memory(text)
