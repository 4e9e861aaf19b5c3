"""From what a user asks to a job: defaults filled in, mistakes told before anything is done."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from atrous.core.config import DataConfig, EncoderConfig
from atrous.core.errors import AtrousError
from atrous.core.stage_config import TrainConfig
from atrous.data.canvas import Size
from atrous.data.dataset import Samples, fingerprint_sides
from atrous.networks.backbones import Backbone
from atrous.spaces import find_architecture
from atrous.stages.train import config as module
from atrous.stages.train.config import Subject, job_of
from atrous.training.config import Protocol
from tests.small_search import CLASSES
from tests.training.material import network, never

CONFIG = TrainConfig(DataConfig(""), EncoderConfig("test_resnet", "none", 16), 8)
SUBJECT = Subject("dpc:top1", find_architecture("dpc:top1"), CONFIG)


@pytest.fixture
def usual(data: Path) -> Subject:
    return SUBJECT.but(data=str(data), steps=100)


def unheard(_: Path, __: str) -> list[Size]:
    raise AssertionError("the data set was looked through before the mistake was told")


def test_defaults_follow_from_data_and_machine(
    usual: Subject, data: Path, samples: tuple[Samples, Samples]
) -> None:
    found = job_of(usual)
    assert found.protocol == Protocol(
        steps=100, batch=8, crop=(65, 97), score_every=5, score="miou"
    )
    assert found.blueprint.classes == CLASSES
    assert len(found.blueprint.colours) == 3
    assert found.data == str(data.resolve())
    assert (found.compute.device, found.compute.precision) == ("cpu", "float32")
    assert found.fingerprint == fingerprint_sides(*samples, never)
    assert job_of(usual.but(steps=3)).protocol.score_every == 1


def test_what_is_asked_for_is_in_the_job(usual: Subject) -> None:
    asked = usual.but(
        crop=(33, 49),
        batch=4,
        accumulate=2,
        average=0.9,
        score_every=7,
        decoder=True,
        precision="float32",
        random_scales=(1.0,),
        flip=False,
        tune_norm=False,
        seed=3,
        licence="CC0",
    )
    found = job_of(asked)
    expected = Protocol(
        steps=100, batch=4, crop=(33, 49), scales=(1.0,), flip=False, tune_norm=False,
        precision="float32", accumulate=2, average=0.9, score_every=7, seed=3, score="miou",
    )  # fmt: skip
    assert found.protocol == expected
    assert (found.blueprint.decoder, found.compute.precision) == (True, "float32")
    assert found.licence == "CC0"


def test_balanced_weights_are_worked_out_once(usual: Subject) -> None:
    weights = job_of(usual.but(class_weights="balanced")).protocol.class_weights
    assert len(weights) == 3
    assert min(weights) < 1 < max(weights)


def test_a_weights_file_is_kept_by_its_whole_path(
    usual: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = cast(Backbone, network(seed=3).backbone).network.state_dict()
    save_file({k: v.contiguous() for k, v in state.items()}, tmp_path / "own.safetensors")
    monkeypatch.chdir(tmp_path)
    asked = usual.but(weights="own.safetensors")
    assert job_of(asked).weights == str(tmp_path.resolve() / "own.safetensors")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 0}, "--steps is at least 1, got 0"),
        ({"batch": 1}, "--batch is at least 2"),
        ({"accumulate": 3}, "not a multiple of --accumulate 3"),
        ({"accumulate": 0}, "--accumulate is at least 1"),
        ({"score_every": 0}, "--score-every is at least 1"),
        ({"rate": -1.0}, "--rate is a positive number"),
        ({"crop": (64, 96)}, "--crop 65x97"),
        ({"crop": (1, 1)}, "--crop 17x17"),
        ({"device": "tpu"}, "got 'tpu'"),
        ({"backbone": "resnet"}, "expected the name of a timm model"),
        ({"output_stride": 4}, "--output-stride is 8, 16 or 32, got 4"),
        ({"output_stride": 0, "crop": (65, 97)}, "--output-stride is 8, 16 or 32, got 0"),
        ({"filters": 0}, "--filters is at least 1, got 0"),
        ({"weights": "no.safetensors"}, "'no.safetensors', which is not a file"),
        ({"weights": "builtin"}, "--weights builtin holds the weights of"),
        ({"select_on": "9"}, "No train image is named like"),
        ({"data": "nowhere"}, "nowhere"),
    ],
)
def test_mistakes_are_told_before_the_data_is_looked_through(
    usual: Subject, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(AtrousError, match=words):
        job_of(usual.but(**changes), unheard)


def test_a_decoder_without_a_map_to_refine_is_told_before(
    usual: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    from atrous.networks.backbones import outline
    from atrous.spaces import blueprint

    def without_stride_4(name: str, output_stride: int) -> Backbone:
        backbone = outline(name, output_stride)
        del backbone.channels[4]
        return backbone

    monkeypatch.setattr(blueprint, "outline", without_stride_4)
    with pytest.raises(AtrousError, match="--decoder needs a feature map at stride 4"):
        job_of(usual.but(decoder=True), unheard)


def test_a_batch_that_torchruns_processes_cannot_share_is_told_before(
    usual: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(AtrousError, match="3 processes cannot share --batch 8"):
        job_of(usual, unheard)


def test_a_missing_tensorboard_is_told_before(
    usual: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise AtrousError("--tensorboard needs")

    monkeypatch.setattr(module, "load_board", missing)
    with pytest.raises(AtrousError, match="--tensorboard needs"):
        job_of(usual.but(tensorboard=True), unheard)
    assert job_of(usual).tensorboard is False


def test_faulty_data_is_refused(usual: Subject, data: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(data, tmp_path / "copy"))
    Image.fromarray(np.full((64, 96), 7, np.uint8)).save(copy / "masks" / "train" / "train1.png")
    asked = usual.but(data=str(copy))
    with pytest.raises(AtrousError, match=r"(?s)must be mended first.*train1\.png"):
        job_of(asked)
