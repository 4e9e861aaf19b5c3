"""Networks with an encoder of their own in training: what may be asked of them, and drop path."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from atrous.core.config import EncoderConfig
from atrous.core.errors import AtrousError
from atrous.data.canvas import Size
from atrous.data.dataset import Samples, fingerprint_sides
from atrous.model.model import load_model
from atrous.spaces.auto_deeplab.trunk import Layer
from atrous.spaces.blueprint import blank_network
from atrous.stages.train import config as training_config
from atrous.stages.train import trainer
from atrous.stages.train.config import NETWORK_FILTERS, Subject, job_of, subject_of
from atrous.stages.train.trainer import ABOUT, create, read
from atrous.training import loop
from atrous.training.checkpoint import LOG, load
from atrous.training.config import RATE, SCRATCH_RATE
from atrous.training.loop import BEST, CHECKPOINT
from atrous.training.state import TrainingState
from tests.report.runs import make_run
from tests.training.material import (
    Interruption,
    StoppedError,
    batch,
    equal,
    job,
    network,
    never,
    protocol,
    run,
    tensors,
)
from tests.training.whole import BLUEPRINT, CROP, NAME, whole_entry, whole_state

Both = tuple[Samples, Samples]


@pytest.fixture(autouse=True)
def _records_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of these tests are records; the data sets that they name were never there."""
    monkeypatch.setattr(training_config, "require_there", lambda _: None)


@pytest.fixture
def origin(data: Path) -> Subject:
    return subject_of(NAME, None, {"data": str(data), "filters": 2})


def unheard(_: Path, __: str) -> list[Size]:
    raise AssertionError("the data set was looked through before the mistake was told")


def probabilities(state: TrainingState) -> list[float]:
    """With what probability each layer drops."""
    layers = (part for part in state.network.modules() if isinstance(part, Layer))
    return [layer.drop.probability for layer in layers]


def test_it_has_no_backbone_and_a_width_of_its_own(origin: Subject) -> None:
    usual = subject_of("auto_deeplab:published", None, {"data": "streets"})
    assert usual.config.encoder == EncoderConfig(None, "none", None)
    assert usual.config.filters == NETWORK_FILTERS == 20
    assert origin.config.filters == 2


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ({"backbone": "resnet50d"}, "got --backbone"),
        ({"weights": "auto"}, "got --weights"),
        ({"output_stride": 8, "backbone": "resnet50d"}, "got --backbone, --output-stride"),
    ],
    ids=str,
)
def test_what_belongs_to_a_backbone_is_refused(
    given: dict[str, object], got: str, tmp_path: Path
) -> None:
    with pytest.raises(AtrousError, match=f"is a whole network.*{got}.* --filters"):
        subject_of(NAME, None, {**given, "data": "streets"})
    run = make_run(tmp_path / "run", [whole_entry(0, 0.5)])
    with pytest.raises(AtrousError, match=f"trial 0 of run is a whole network.*{got}"):
        subject_of(str(run.path), None, given)


def test_of_a_run_it_takes_images_and_width_alone(tmp_path: Path) -> None:
    """Whatever backbone the run may name."""
    run = make_run(tmp_path / "run", [whole_entry(0, 0.5)], filters=3)
    found = subject_of(str(run.path), None, {})
    assert found.config.data == run.config.data
    assert found.config.encoder == EncoderConfig(None, "none", None)
    assert found.config.filters == 3


def test_defaults_are_those_of_training_from_scratch(origin: Subject) -> None:
    found = job_of(origin.but(steps=100))
    assert found.protocol.crop == (65, 97)
    assert (found.protocol.rate, found.protocol.drop_path) == (SCRATCH_RATE, 0.0)
    assert SCRATCH_RATE == 0.05 > RATE
    assert (found.weights, found.blueprint.backbone, found.blueprint.output_stride) == (
        "none",
        None,
        None,
    )
    assert found.blueprint.architecture == BLUEPRINT.architecture
    asked = job_of(origin.but(steps=100, rate=0.02, crop=(33, 65), drop_path=0.2))
    assert asked.protocol == protocol(
        steps=100, batch=8, rate=0.02, crop=(33, 65), drop_path=0.2, score_every=5, score="miou"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"crop": (49, 65)}, "k \\* 32 \\+ 1 .* --crop 65x65"),
        ({"drop_path": 1.0}, "--drop-path is at least 0 and below 1"),
        ({"filters": 0}, "--filters is at least 1"),
    ],
)
def test_mistakes_are_told_before_the_data_is_looked_through(
    origin: Subject, changes: dict[str, Any], words: str
) -> None:
    filters = changes.pop("filters", 2)
    with pytest.raises(AtrousError, match=words):
        job_of(origin.but(filters=filters, **changes), unheard)


def test_a_head_on_a_backbone_has_no_operations_to_drop(data: Path) -> None:
    told = {"data": str(data), "backbone": "test_resnet", "weights": "none", "filters": 8}
    with pytest.raises(AtrousError, match=r"--drop-path drops .*, and dpc:aspp is none.*got 0\.2"):
        job_of(subject_of("dpc:aspp", None, {**told, "drop_path": 0.2}), unheard)


def test_operations_are_dropped_by_the_schedule() -> None:
    state = whole_state(steps=4)
    assert probabilities(state) == [0.0, 0.0, 0.0]
    for step in range(4):
        state.advance([batch(step)])
        assert probabilities(state) == pytest.approx([step / 4 * layer / 6 for layer in (1, 2, 3)])
    state.scored.eval()
    images = torch.randn(2, 3, 33, 33)
    assert torch.equal(state.scored(images), state.scored(images))


def test_a_step_drops_the_same_whatever_was_drawn_before() -> None:
    one, other = whole_state(steps=2), whole_state(steps=2)
    for state, draws in ((one, 3), (other, 5)):
        state.advance([batch(0)])
        torch.rand(draws)
        state.advance([batch(1)])
    assert equal(tensors(one.network), tensors(other.network))
    without = whole_state(steps=2, drop_path=0.0)
    for step in range(2):
        without.advance([batch(step)])
    assert not equal(tensors(one.network), tensors(without.network))


def test_an_interrupted_training_ends_as_an_uninterrupted_one(
    samples: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SAVE_SECONDS", -1)
    expected = run(whole_state(average=0.5), samples, tmp_path / "whole")
    places = sorted(Random(4).sample(range(1, 12), 2))
    for before, place in zip((0, *places), places, strict=False):
        with pytest.raises(StoppedError):
            run(whole_state(average=0.5), samples, tmp_path / "torn", Interruption(place - before))
    assert run(whole_state(average=0.5), samples, tmp_path / "torn") == expected
    assert (tmp_path / "torn" / LOG).read_bytes() == (tmp_path / "whole" / LOG).read_bytes()
    for name in (CHECKPOINT, BEST):
        one, other = (load(tmp_path / folder / name) for folder in ("whole", "torn"))
        assert equal(dict(one.tensors), dict(other.tensors))


def test_the_model_is_one_as_any_other(data: Path, samples: Both, tmp_path: Path) -> None:
    asked = job(
        data,
        fingerprint_sides(*samples, never),
        blueprint=BLUEPRINT,
        protocol=protocol(crop=CROP, steps=2, drop_path=0.3),
    )
    create(tmp_path, asked)
    assert read(tmp_path) == asked
    model = load_model(trainer.run(tmp_path, asked, progress=never))
    assert model.blueprint == BLUEPRINT
    assert model.training_record["drop_path"] == 0.3
    assert "backbone_weights" not in model.training_record
    parameters = sum(p.numel() for p in blank_network(BLUEPRINT).parameters())
    assert model.training_record["parameters"] == parameters
    first = network(**vars(BLUEPRINT)).logits.weight
    assert not torch.equal(model.network.logits.weight, first)


def test_a_job_written_before_there_was_drop_path_is_read(
    data: Path, samples: Both, tmp_path: Path
) -> None:
    asked = job(data, fingerprint_sides(*samples, never))
    create(tmp_path, asked)
    content = json.loads((tmp_path / ABOUT).read_text())
    del content["protocol"]["drop_path"]
    (tmp_path / ABOUT).write_text(json.dumps(content))
    assert read(tmp_path) == asked
