from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from atrous.core.config import EncoderConfig
from atrous.core.errors import AtrousError
from atrous.data.dataset import Dataset, Sample
from atrous.recipes import RECIPES
from atrous.recipes.changes import Changes, Difference, differences, protocol_of, subject_of
from atrous.training.config import protocol_of as training_protocol

RECIPE = RECIPES["cityscapes-dpc"]


def cityscapes(train: int, val: int) -> Dataset:
    samples = [Sample(f"s{k}", Path("i"), Path("m")) for k in range(max(train, val))]
    splits = {"train": tuple(samples[:train]), "val": tuple(samples[:val])}
    return Dataset(Path("data"), ("road", "car"), splits, "Cityscapes")


def test_nothing_changed_on_the_whole_data_set_is_the_published_protocol() -> None:
    assert differences(RECIPE, Changes(device="cpu", seed=7), cityscapes(2975, 500)) == ()
    assert protocol_of(RECIPE, Changes()) == RECIPE.protocol


def test_each_change_is_told() -> None:
    changes = Changes(
        steps=10,
        batch=8,
        accumulate=2,
        crop=(65, 97),
        backbone="resnet50d",
        weights="weights/mine.pth",
        precision="bfloat16",
    )
    assert differences(RECIPE, changes, cityscapes(2975, 499)) == (
        Difference("steps", "90,000", "10"),
        Difference("images a step", "16", "8"),
        Difference("training crop", "769 x 769", "65 x 97"),
        Difference("backbone", "xception71.tf_in1k", "resnet50d"),
        Difference("backbone's weights", "of timm's hub", "the file mine.pth"),
        Difference("number type", "float32", "bfloat16"),
        Difference("images that batch norms see together", "16", "4"),
        Difference("images of val", "500", "499"),
    )


def test_images_are_not_counted_where_their_number_is_not_published() -> None:
    assert differences(RECIPES["person-part-dpc"], Changes(), cityscapes(3, 3)) == ()


def test_what_is_asked_of_training_is_the_recipe() -> None:
    found = subject_of(RECIPE, Changes(), Path("data")).config
    own = RECIPE.protocol
    assert training_protocol(found.training, own.crop, 0.0, "float32", found.seed) == own
    assert found.encoder == EncoderConfig("xception71.tf_in1k", "auto", 16, "none")
    assert (found.filters, found.data.select_on) == (256, "val")
    assert found.decoder
    other = subject_of(RECIPES["table1-mobilenetv2-dpc"], Changes(), Path("data"))
    assert other.config.decoder is False


def test_the_last_weights_alone_are_scored() -> None:
    found = subject_of(RECIPE, Changes(steps=30), Path("data"))
    assert found.config.training.score_every == 30


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (Changes(steps=0), "--steps"),
        (Changes(batch=1), "--batch"),
        (Changes(accumulate=3), "--accumulate"),
        (replace(Changes(), seed=-1), "--seed"),
    ],
)
def test_wrong_numbers(changes: Changes, told: str) -> None:
    with pytest.raises(AtrousError, match=told):
        subject_of(RECIPE, changes, Path("data"))
