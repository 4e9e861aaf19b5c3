"""`atrous export` and `atrous latency`, as a user types them."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from atrous.cli.model import export, latency
from atrous.core.errors import AtrousError
from atrous.model.model import Model, save_model
from tests.model.export.material import blueprint, network


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder."""
    path = tmp_path_factory.mktemp("saved") / "model"
    made_of = blueprint()
    save_model(Model(network(made_of), made_of, {"crop": [49, 33]}).eval(), path)
    return path


def run(*arguments: str | Path) -> str:
    """What a command prints on its output; its errors are raised."""
    app = typer.Typer()
    for command in (export, latency):
        app.command()(command)
    done = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.slow
def test_export_writes_beside_the_model_and_says_what_it_wrote(folder: Path) -> None:
    said = run("export", folder, "--to", "pt2")
    written = folder / "model.pt2"
    assert written.is_file()
    assert f"wrote {written}" in said
    assert "uint8 from 0 to 255; normalised inside" in said
    assert "logits [B, 4, H, W]" in said
    assert "2 x 97 x 131, 1 x 49 x 33" in said
    assert re.search(r"differs by at most \S+ of the largest class score; up to 0.0001", said)
    assert 'torch.export.load("model.pt2").module()(images)' in said


@pytest.mark.slow
def test_export_gives_json_and_takes_every_option(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "ids.onnx"
    options = ("--normalise", "out", "--output", "ids", "--opset", "20", "--out", out, "--json")
    found = json.loads(run("export", folder, "--to", "onnx", *options))
    assert found["path"] == str(out)
    assert found["size"] == out.stat().st_size
    assert found["metadata"]["normalisation"] == "by the caller"
    assert found["metadata"]["output"].startswith("ids [B, H, W], uint8")


def test_export_of_no_model_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match=rf"model's folder at {tmp_path}"):
        run("export", tmp_path, "--to", "onnx")


def test_a_missing_package_is_said_before_weights_are_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "model.json"
    record.write_bytes((folder / "model.json").read_bytes())
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for asked in (
        ("export", "--to", "onnx"),
        ("latency", "--size", "9x9", "--runtime=onnxruntime"),
    ):
        command, *options = asked
        with pytest.raises(AtrousError, match=r"pip install 'atrous\[export\]'"):
            run(command, tmp_path, *options)


def test_latency_prints_every_condition(folder: Path) -> None:
    asked = ("--size", "17x33", "--batch", "2", "--device", "cpu", "--threads", "1")
    said = run("latency", folder, *asked, "--repeats", "2")
    assert "2 x 3 x 17 x 33" in said
    assert "float32, 1 CPU thread" in said
    assert "pytorch 2." in said


def test_latency_gives_json(folder: Path) -> None:
    asked = ("--size", "17x33", "--device", "cpu", "--precision", "bfloat16", "--repeats", "2")
    (found,) = json.loads(run("latency", folder, *asked, "--json"))
    assert (found["runtime"], found["precision"], found["size"]) == (
        "pytorch",
        "bfloat16",
        [17, 33],
    )
    assert len(found["milliseconds"]) == 2
