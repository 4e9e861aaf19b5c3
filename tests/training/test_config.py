"""The numbers of a training, and what cannot be."""

from __future__ import annotations

import json
from math import inf, nan
from typing import Any

import pytest

from atrous.core.errors import AtrousError
from atrous.core.records import from_json, to_json
from atrous.training.config import Protocol, derive_training_crop
from tests.cases import each
from tests.training.material import protocol


def test_the_defaults_are_the_papers() -> None:
    usual = Protocol(steps=30_000, batch=8, crop=(513, 513))
    assert (usual.rate, usual.weight_decay) == (0.01, 4e-5)
    assert usual.scales == (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
    assert (usual.flip, usual.tune_norm, usual.class_weights) == (True, True, ())


def test_json_gives_back_the_same_numbers() -> None:
    one = protocol(rate=1 / 3, class_weights=(0.1, 1 / 7, 2.0), scales=(0.5,), average=0.999)
    assert from_json(Protocol, json.loads(json.dumps(to_json(one)))) == one


def test_a_protocol_written_before_there_was_drop_path_drops_nothing() -> None:
    written = to_json(protocol())
    del written["drop_path"]
    assert from_json(Protocol, written) == protocol(drop_path=0.0)


@each(
    ("changes", "words"),
    [
        ({"steps": 0}, "--steps is at least 1, got 0"),
        ({"batch": 1}, "--batch is at least 2, got 1"),
        ({"accumulate": 0}, "--accumulate is at least 1, got 0"),
        ({"accumulate": -2}, "--accumulate is at least 1, got -2"),
        ({"accumulate": 3}, "--batch 4 is not a multiple of --accumulate 3"),
        ({"accumulate": 4}, "too few for batch norm"),
        ({"score_every": 0}, "--score-every is at least 1, got 0"),
        ({"seed": -1}, "--seed is at least 0, got -1"),
        ({"rate": 0.0}, "--rate is a positive number"),
        ({"rate": nan}, "--rate is a positive number"),
        ({"rate": inf}, "--rate is a positive number"),
        ({"weight_decay": -1.0}, "--weight-decay is at least 0"),
        ({"weight_decay": nan}, "--weight-decay is at least 0"),
        ({"average": 1.0}, "--average is at least 0 and below 1"),
        ({"average": nan}, "--average is at least 0 and below 1"),
        ({"drop_path": 1.0}, "--drop-path is at least 0 and below 1, got 1.0"),
        ({"drop_path": -0.1}, "--drop-path is at least 0 and below 1"),
        ({"drop_path": nan}, "--drop-path is at least 0 and below 1"),
        ({"scales": ()}, "--random-scales are positive numbers"),
        ({"scales": (1.0, 0.0)}, "--random-scales are positive numbers"),
        ({"scales": (nan, 1.0)}, "--random-scales are positive numbers"),
    ],
)
def test_what_cannot_be_is_told(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(AtrousError, match=words):
        protocol(**changes)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(AtrousError) as told:
        protocol(steps=0, batch=1, accumulate=0, rate=-1.0, scales=())
    for word in ("--steps", "--batch", "--accumulate", "--rate", "--random-scales"):
        assert word in str(told.value)


def test_parts_of_one_image_are_allowed_where_norms_are_left_alone() -> None:
    assert protocol(accumulate=4, tune_norm=False).accumulate == 4


@pytest.mark.parametrize("stride", [8, 16])
def test_the_crop_covers_the_largest_image_up_to_513(stride: int) -> None:
    assert derive_training_crop([(64, 96), (50, 97)], stride) == (65, 97)
    assert derive_training_crop([(360, 480)], stride) == ({8: 361, 16: 369}[stride], 481)
    assert derive_training_crop([(513, 514)], stride) == (513, 513)
    assert derive_training_crop([(1024, 2048)], stride) == (513, 513)
    assert derive_training_crop([(3, 3)], stride) == (stride + 1, stride + 1)
