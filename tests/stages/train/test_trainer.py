"""From a job to a model in a folder."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from atrous.core.errors import AtrousError
from atrous.core.files import PARTIAL
from atrous.data.dataset import DataFingerprint, Samples, fingerprint_sides
from atrous.model.model import load_model, save_model
from atrous.stages.train import trainer
from atrous.stages.train.trainer import TrainingJob, create, held, run
from atrous.training import loop
from atrous.training.checkpoint import read_log
from atrous.training.loop import BEST, CHECKPOINT
from tests.training.material import (
    Interruption,
    StoppedError,
    job,
    network,
    never,
    protocol,
    tensors,
)
from tests.training.test_checkpoint import no_room


@pytest.fixture(scope="module")
def asked(data: Path, samples: tuple[Samples, Samples]) -> TrainingJob:
    return job(data, fingerprint_sides(*samples, never))


@pytest.fixture(scope="module")
def trained(asked: TrainingJob, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a training has ended."""
    folder = tmp_path_factory.mktemp("trained")
    create(folder, asked)
    run(folder, asked, progress=never)
    return folder


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_model_holds_the_best_weights_and_how_they_came_about(
    trained: Path, asked: TrainingJob
) -> None:
    model = load_model(trained / "model")
    scores = [(line.step, line.value) for line in read_log(trained)]
    assert [step for step, _ in scores] == [5, 10, 12]
    record = model.training_record
    assert record["selection_miou"] == max(miou for _, miou in scores)
    assert (record["name"], record["data"], record["images"]) == ("a small cell", "data", 5)
    assert (record["data_licence"], record["steps"], record["seed"]) == ("CC0", 12, 0)
    assert record["parameters"] == sum(p.numel() for p in model.network.parameters())
    assert model.blueprint == asked.blueprint
    assert {CHECKPOINT, BEST}.isdisjoint(files(trained))
    assert not torch.equal(model.network.logits.weight, network().logits.weight)


def test_an_ended_training_is_left_as_it_is(trained: Path, asked: TrainingJob) -> None:
    before = (trained / "model" / "model.safetensors").stat().st_mtime_ns
    assert run(trained, asked, progress=never) == trained / "model"
    assert (trained / "model" / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize("place", [2, 9])
def test_interrupted_and_resumed_the_model_is_the_same(
    place: int, trained: Path, asked: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SAVE_SECONDS", -1)
    with pytest.raises(StoppedError):
        run(tmp_path, asked, progress=Interruption(place))
    run(tmp_path, asked, progress=never)
    for name in ("model.safetensors", "model.json"):
        assert (tmp_path / "model" / name).read_bytes() == (trained / "model" / name).read_bytes()


def test_killed_while_the_model_was_written_it_is_written_again(
    trained: Path, asked: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty folder of the model's name is no model."""

    def torn(_: Any, folder: Path) -> None:
        (folder / PARTIAL).mkdir(parents=True)
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "save_model", torn)
        with pytest.raises(StoppedError):
            run(tmp_path, asked, progress=never)
    run(tmp_path, asked, progress=never)
    found, expected = (load_model(folder / "model").network for folder in (tmp_path, trained))
    assert all(torch.equal(v, tensors(expected)[k]) for k, v in tensors(found).items())


def test_a_disk_too_full_for_the_model_loses_nothing(
    trained: Path, asked: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crowded(*arguments: Any) -> None:
        with no_room():
            save_model(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "save_model", crowded)
        with pytest.raises(AtrousError, match="Free some space"):
            run(tmp_path, asked, progress=never)
    assert {CHECKPOINT, BEST} <= files(tmp_path)
    run(tmp_path, asked, progress=never)
    name = Path("model") / "model.safetensors"
    assert (tmp_path / name).read_bytes() == (trained / name).read_bytes()


def test_divergence_says_what_to_do(asked: TrainingJob, tmp_path: Path) -> None:
    wild = replace(asked, protocol=protocol(rate=1e30))
    with pytest.raises(AtrousError, match=r"Training diverged: .*lower --rate"):
        run(tmp_path, wild, progress=never)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("tried to allocate 80 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 80 GiB"),
    ],
    ids=["GPU", "CPU"],
)
def test_lacking_memory_says_what_to_do(
    error: Exception, asked: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(*_: Any) -> None:
        raise error

    monkeypatch.setattr(trainer, "train", too_much)
    with pytest.raises(AtrousError, match=r"80 GiB.*raise --accumulate"):
        run(tmp_path, asked, progress=never)


def test_a_folder_in_use_is_left_alone(asked: TrainingJob, tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(AtrousError, match="Another process is training"):
        run(tmp_path, asked, progress=never)


def test_weights_are_not_needed_again_after_a_checkpoint(
    trained: Path, asked: TrainingJob, tmp_path: Path
) -> None:
    """The file may have gone since; the checkpoint holds all."""
    with pytest.raises(StoppedError):
        run(tmp_path, asked, progress=Interruption(6))
    gone = replace(asked, weights=str(tmp_path / "gone.safetensors"))
    run(tmp_path, gone, progress=never)
    name = Path("model") / "model.safetensors"
    assert (tmp_path / name).read_bytes() == (trained / name).read_bytes()
    with pytest.raises(AtrousError, match="which is not a file"):
        run(tmp_path / "other", gone, progress=never)


def test_changed_data_is_refused(asked: TrainingJob, data: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(data, tmp_path / "copy"))
    moved = replace(asked, data=str(copy), fingerprint=DataFingerprint("another", "one"))
    with pytest.raises(AtrousError, match="have changed since this training began"):
        run(tmp_path, moved, progress=never)


def test_a_gpu_that_is_gone_is_told(asked: TrainingJob, tmp_path: Path) -> None:
    elsewhere = replace(asked, compute=replace(asked.compute, device="cuda:77"))
    with pytest.raises(AtrousError, match="Expected a GPU for --device cuda:77"):
        run(tmp_path, elsewhere, progress=never)
