"""The stream of crops: which comes when, and to whom."""

from __future__ import annotations

import gc
import threading
from dataclasses import dataclass, replace
from itertools import islice
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from atrous.core.errors import AtrousError, NoRoomError
from atrous.data.dataset import AHEAD, Samples, read_ahead
from atrous.execution.local import LocalExecutor
from atrous.networks import compute
from atrous.networks.compute import Kept
from atrous.spaces import find_architecture
from atrous.spaces.blueprint import Blueprint, blank_network, build_network
from atrous.training.config import Protocol
from atrous.training.crops import (
    LOADERS,
    Crops,
    crops_of,
    least_kept,
    loader_threads,
    order,
    parts,
    require_step,
    share_of,
)
from atrous.training.world import World
from tests.training.material import ALONE, CROP, protocol

MEAN = (0.485, 0.456, 0.406)


class Numbers:
    """Crop n is n."""

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        return torch.tensor(number), torch.tensor(number)


def numbers(how: Protocol, first: int, world: World) -> list[list[int]]:
    """The numbers of the crops of each part."""
    batches = parts(cast(Crops, Numbers()), how, first, world)
    return [images.tolist() for images, _ in batches]


def test_the_same_number_is_the_same_crop(samples: tuple[Samples, Samples]) -> None:
    one, other = (crops_of(samples[0], protocol(), MEAN) for _ in range(2))
    for number in (7, 0, 123_456):
        for first, second in zip(one[number], other[number], strict=True):
            assert torch.equal(first, second)
    assert one[7][0].shape == (3, *CROP)
    assert one[7][1].shape == CROP
    assert one[7][0].dtype == one[7][1].dtype == torch.uint8


def test_crops_differ_by_number_and_by_seed(samples: tuple[Samples, Samples]) -> None:
    one = crops_of(samples[0], protocol(), MEAN)
    other = crops_of(samples[0], protocol(seed=1), MEAN)
    images = [one[n][0] for n in range(10)] + [other[n][0] for n in range(10)]
    assert not any(torch.equal(a, b) for n, a in enumerate(images) for b in images[:n])


def test_every_pass_covers_every_sample_once_in_an_order_of_its_own() -> None:
    passes = [order(3, turn, 40) for turn in range(5)]
    assert all(sorted(one) == list(range(40)) for one in passes)
    assert len(set(passes)) == 5
    assert order(4, 0, 40) != order(3, 0, 40)


def test_a_pass_of_crops_shows_every_image(samples: tuple[Samples, Samples]) -> None:
    how = protocol(crop=(65, 97), scales=(1.0,), flip=False)
    crops = crops_of(samples[0], how, MEAN)
    for turn in range(3):
        shown = {crops[5 * turn + place][0].numpy().tobytes() for place in range(5)}
        assert len(shown) == 5


def test_what_an_image_is_extended_with_is_the_mean_colour(
    samples: tuple[Samples, Samples],
) -> None:
    crops = crops_of(samples[0], protocol(crop=(81, 113), scales=(1.0,), flip=False), MEAN)
    image, labels = crops[0]
    assert image[:, 70, 100].tolist() == [round(255 * value) for value in MEAN]
    assert labels[70, 100] == 255
    assert np.isin(labels[:64, :96], (0, 1, 2)).all()


@pytest.mark.parametrize("first", [0, 3])
def test_steps_take_consecutive_crops(first: int) -> None:
    assert numbers(protocol(steps=5), first, ALONE) == [
        list(range(4 * step, 4 * step + 4)) for step in range(first, 5)
    ]


@pytest.mark.parametrize(("size", "accumulate"), [(1, 2), (2, 1), (2, 2), (4, 2)])
def test_parts_and_processes_divide_the_batch_among_them(size: int, accumulate: int) -> None:
    how = protocol(batch=8, steps=4, accumulate=accumulate, tune_norm=False)
    each = [iter(numbers(how, 1, World("cpu", rank, size))) for rank in range(size)]
    for step in range(1, 4):
        taken = [n for one in each for part in islice(one, accumulate) for n in part]
        assert sorted(taken) == list(range(8 * step, 8 * step + 8))
    assert all(not list(one) for one in each)


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(AtrousError, match="3 processes cannot share --batch 4"):
        share_of(protocol(), World("cuda:0", 0, 3))
    with pytest.raises(AtrousError, match="expected a multiple of 8"):
        share_of(protocol(accumulate=2), World("cuda:0", 0, 4))
    with pytest.raises(AtrousError, match="at least 2 images a part"):
        share_of(protocol(), World("cpu", 0, 4))
    assert share_of(protocol(tune_norm=False), World("cpu", 0, 4)) == 1
    assert share_of(protocol(), World("cuda:0", 0, 4)) == 1


def test_a_step_of_which_weights_or_images_have_no_room_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, how = nn.Linear(1000, 1000), protocol(batch=4, crop=(100, 100))
    needed = 12 * 1_001_000 + 15 * 4 * 100 * 100
    monkeypatch.setattr(compute, "machine_memory", lambda: needed)
    require_step(network, how, ALONE)
    monkeypatch.setattr(compute, "machine_memory", lambda: needed - 1)
    with pytest.raises(NoRoomError, match=r"step of 4 images of 100x100 .*Lower --batch"):
        require_step(network, how, ALONE)
    with pytest.raises(NoRoomError, match="step of 2 images"):
        require_step(nn.Linear(2000, 1000), replace(how, accumulate=2), ALONE)


def test_what_a_step_keeps_is_counted_before_it_is_taken() -> None:
    built = Blueprint(
        find_architecture("dpc:aspp"), "test_resnet", 16, 8, False, ("a", "b"), ((0, 0, 0),) * 2
    )
    how, network = protocol(batch=2, crop=(33, 49)), build_network(built)
    kept = Kept(network.parameters())
    with kept:
        scores = network.coarse(torch.zeros(2, 3, 33, 49))
    assert scores.shape == (2, 2, 3, 4)
    counted = least_kept(blank_network(built), how, 2)
    assert kept.bytes / 2 < counted <= kept.bytes, "a CPU rearranges, and keeps that, too"
    wide = least_kept(blank_network(replace(built, filters=80)), how, 2)
    assert counted < wide < 10 * counted
    assert 0 < least_kept(blank_network(built), replace(how, frozen=4), 2) < counted
    assert 2 * least_kept(blank_network(built), replace(how, precision="bfloat16"), 2) == counted


def test_a_cpu_reads_images_where_it_trains() -> None:
    assert loader_threads(ALONE) == 0
    assert 1 <= loader_threads(World("cuda")) <= LOADERS
    assert loader_threads(World("cuda", 0, 64, 64)) == 1


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_read_the_same_crops_and_few_ahead(
    samples: tuple[Samples, Samples], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops, how = crops_of(samples[0], protocol(steps=9), MEAN), protocol(steps=9)
    expected = list(parts(crops, how, 0, ALONE))
    monkeypatch.setattr("atrous.training.crops.loader_threads", lambda _: threads)
    found = list(parts(crops, how, 0, ALONE))
    assert len(found) == len(expected) == 9
    for one, other in zip(found, expected, strict=True):
        assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))
    asked: list[int] = []

    class Counting(Numbers):
        def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
            asked.append(number)
            return super().__getitem__(number)

    stream = parts(cast(Crops, Counting()), protocol(steps=1000), 0, ALONE)
    next(stream)
    assert len(asked) <= 4 + AHEAD * threads + 1
    before = threading.active_count()
    del stream
    gc.collect()
    assert threading.active_count() <= before - threads


def test_batches_are_where_an_accelerator_copies_from(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[int] = []

    def pin(tensor: Tensor) -> Tensor:
        pinned.append(len(tensor))
        return tensor

    monkeypatch.setattr(Tensor, "pin_memory", pin)
    assert numbers(protocol(steps=2), 0, World("cuda")) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert pinned == [4, 4, 4, 4]


@dataclass(frozen=True)
class Reading:
    """A job that reads crops as an end-to-end trial on an accelerator does."""

    crops: Crops

    def __call__(self) -> list[int]:
        read = read_ahead(self.crops.__getitem__, range(3), loader_threads(World("cuda")))
        return [int(image.sum()) for image, _ in read]


def test_crops_are_read_ahead_in_a_worker_process(samples: tuple[Samples, Samples]) -> None:
    crops = crops_of(samples[0], protocol(), MEAN)
    with LocalExecutor(1) as executor:
        found = executor.submit(Reading(crops)).result()
    assert found == [int(crops[number][0].sum()) for number in range(3)]
