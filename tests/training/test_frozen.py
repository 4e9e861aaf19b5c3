"""Trainings in which the front of the backbone stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from atrous.core.errors import AtrousError
from atrous.data.dataset import Samples
from atrous.training.crops import Started, crops_of
from atrous.training.loop import CHECKPOINT
from tests.training.material import (
    CROP,
    Interruption,
    StoppedError,
    batch,
    equal,
    network,
    protocol,
    run,
    state,
    tensors,
)

HOW = protocol(frozen=8, variants=2, optimiser="adamw", rate=0.001, loss_every=4)


def test_logits_of_every_fourth_pixel_are_those_of_the_image() -> None:
    images = torch.randn(1, 3, 37, 52, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        one = network(dropout=0)
        assert torch.allclose(one(images)[..., ::4, ::4], one(images, 4), atol=1e-5)


def test_a_network_goes_on_from_its_frozen_front() -> None:
    images = torch.randn(2, 3, 37, 52, generator=torch.Generator().manual_seed(0))
    one = network().freeze(8)
    with torch.no_grad():
        assert torch.allclose(one(one.begin(images)), one(images), atol=1e-5)
    with pytest.raises(AtrousError, match=r"cannot be cut there"):
        network().freeze(3)


def test_a_frozen_front_learns_nothing_and_the_rest_does() -> None:
    one = state(HOW)
    before = tensors(one.network)
    for step in range(2):
        one.advance([batch(step)])
    after = tensors(one.network)
    layers = one.network.backbone.chain(8).front(8)
    kept = {id(t) for layer in layers for t in layer.state_dict(keep_vars=True).values()}
    for name, tensor in one.network.state_dict(keep_vars=True).items():
        same = torch.equal(before[name], after[name])
        assert same if id(tensor) in kept else not same or "num_batches" in name, name


def test_maps_of_crops_that_return_are_kept(samples: tuple[Samples, Samples]) -> None:
    one, seen = state(HOW), []
    crops = crops_of(samples[0], HOW, one.network.backbone.mean)

    def front(images: torch.Tensor) -> object:
        seen.append(images)
        return one.front(images)

    started = Started(crops, front, 1e9)  # type: ignore[arg-type]
    count = len(samples[0])
    for number in range(4 * count):
        begun, labels = started[number]
        assert labels.shape == CROP
        assert begun.maps[8].dtype == torch.float16
    assert len(seen) == 2 * count
    one_map, same = (s[5 + 2 * count][0].maps[8] for s in (started, Started(crops, one.front, 0)))
    assert torch.equal(one_map, same)
    small = Started(crops, front, 1)  # type: ignore[arg-type]
    assert [torch.equal(small[0][1], small[0][1]) for _ in range(2)] == [True, True]
    assert len(seen) == 2 * count + 4


def test_of_two_variants_one_is_the_mirror_image(samples: tuple[Samples, Samples]) -> None:
    how = protocol(variants=2, scales=(1.0,), crop=(65, 97))  # images are smaller
    crops, count = crops_of(samples[0], how, (0.5, 0.5, 0.5)), len(samples[0])
    pairs: dict[int, list[torch.Tensor]] = {}
    for number in range(4 * count):
        pairs.setdefault(crops.key(number)[0], []).append(crops[number][0])
    assert len(pairs) == count
    for one, mirrored, again, _ in pairs.values():
        assert torch.equal(one, mirrored.flip(2))
        assert torch.equal(one, again)
        assert not torch.equal(one, mirrored)


def test_an_interrupted_one_ends_as_an_uninterrupted_one(
    samples: tuple[Samples, Samples], tmp_path: Path
) -> None:
    whole = state(HOW)
    run(whole, samples, tmp_path / "whole")
    with pytest.raises(StoppedError):
        run(state(HOW), samples, tmp_path / "cut", Interruption(6))
    assert (tmp_path / "cut" / CHECKPOINT).exists()
    resumed = state(HOW)
    run(resumed, samples, tmp_path / "cut")
    assert equal(tensors(whole.network), tensors(resumed.network))
