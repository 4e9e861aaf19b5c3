"""A whole network of Auto-DeepLab, from images to predictions, as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from atrous.cli import main
from atrous.model.model import load_model
from atrous.stages.train import config as training_config
from atrous.stages.train.trainer import create, read
from atrous.training.checkpoint import LOG
from atrous.training.loop import CHECKPOINT
from tests.processes import eventually
from tests.small_search import write_data
from tests.training.whole import NAME

SMALL = (
    NAME, "--filters", "2", "--decoder", "--drop-path", "0.3", "--batch", "4", "--crop", "33x65",
    "--steps", "80", "--score-every", "10", "--device", "cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set and a network trained on it."""
    folder = tmp_path_factory.mktemp("home")
    write_data(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(training_config, "cores", lambda: 1)
        assert atrous("train", *SMALL, "--data", "data", "--out", "whole") == 0
    return folder


@pytest.fixture(autouse=True)
def _at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


def atrous(*arguments: str) -> object:
    """How a command ended, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["atrous", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    return ended.value.code


def test_it_learns(home: Path) -> None:
    scores = [json.loads(line)["miou"] for line in (home / "whole" / LOG).read_text().splitlines()]
    assert len(scores) == 8
    assert max(scores) > 0.6 > scores[0]


@pytest.mark.slow
def test_killed_and_resumed_the_model_is_the_same_to_the_byte(home: Path) -> None:
    create(home / "torn", read(home / "whole"))
    checkpoint = home / "torn" / CHECKPOINT
    with subprocess.Popen(
        [sys.executable, "-m", "atrous", "train", "--resume", "torn"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert eventually(lambda: checkpoint.exists() or process.poll() is not None)
        process.kill()
    assert not (home / "torn" / "model").exists()
    assert atrous("train", "--resume", "torn") == 0
    for name in (LOG, "model/model.safetensors"):
        assert (home / "torn" / name).read_bytes() == (home / "whole" / name).read_bytes()


def test_it_is_evaluated_and_predicts_images_of_an_odd_size(home: Path) -> None:
    assert atrous("evaluate", "whole/model", "data", "--device", "cpu") == 0
    picture = np.random.default_rng(0).integers(0, 256, (37, 50, 3), np.uint8)
    Image.fromarray(picture).save("odd.png")
    assert atrous("predict", "whole/model", "odd.png", "--out", "seen", "--device", "cpu") == 0
    written = list((home / "seen").rglob("odd*"))
    assert len(written) > 1
    for path in written:
        with Image.open(path) as found:
            assert found.size == (50, 37)
    assert (home / "whole" / "model" / "evaluations").exists()


@pytest.mark.slow
def test_it_is_exported_for_any_size(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whether file and network agree on images of an odd size is part of exporting."""
    pytest.importorskip("onnxruntime")
    assert atrous("export", "whole/model", "--to", "onnx") == 0
    assert "2 x 97 x 131" in capsys.readouterr().out
    assert (home / "whole" / "model" / "model.onnx").exists()


def test_its_latency_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--size", "33x65", "--repeats", "2", "--device", "cpu")
    assert atrous("latency", "whole/model", *asked) == 0
    assert "median ms" in capsys.readouterr().out


def test_its_card_tells_what_it_is(home: Path) -> None:
    model = load_model(home / "whole" / "model")
    card = (home / "whole" / "model" / "README.md").read_text()
    for fact in (
        f"- network: `{model.blueprint.architecture}`, with F = 2",
        "stride 32",
        ": sep 3x3 of layer - 1 + average 3x3 of layer - 2",
    ):
        assert fact in card
    assert "backbone" not in card


def test_what_belongs_to_a_backbone_is_refused_in_one_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert atrous("train", *SMALL, "--data", "data", "--output-stride", "8") == 1
    told = capsys.readouterr().err
    assert "--alignment, --finest-stride, got --output-stride" in told
    assert told.count("error: ") == 1
