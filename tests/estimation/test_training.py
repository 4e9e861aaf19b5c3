"""Training of a head: which batches, which loss, which weights decay, and when it diverges."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.data.canvas import feature_size
from atrous.data.dataset import IGNORE
from atrous.estimation.features import FeatureSet
from atrous.estimation.learning import geometry, make_step, order_of, tail, train
from atrous.networks.network import Tail
from atrous.networks.pyramid import Pyramid
from atrous.spaces import find_space
from atrous.training.optimiser import (
    NonFiniteError,
    OptimiserName,
    Schedule,
    batches,
    make_optimiser,
    set_norm_decay,
)
from tests.estimation.material import ASPP, CHANNELS, CLASSES, CROP, FLOAT32, STRIDE, TOP1
from tests.training.material import UNREADABLE, unfused


class Sized(FeatureSet):
    """Features of 9 images, of which nothing but the number of maps is known."""

    images = 9

    def __len__(self) -> int:
        return int(self.path.name)


SCHEDULE = Schedule(4, 0.1, 4e-5)
OPTIMISERS: tuple[OptimiserName, OptimiserName] = ("sgd", "adamw")


def network(architecture: object = TOP1) -> Tail:
    torch.manual_seed(0)
    genotype = (ASPP if architecture is ASPP else TOP1).genotype
    return tail(find_space("dpc").build(genotype, {STRIDE: CHANNELS}, 8), CLASSES)


@pytest.mark.parametrize(("count", "batch"), [(10, 2), (10, 3), (7, 7), (3, 8), (1, 2)])
def test_each_pass_over_the_images_is_a_permutation(count: int, batch: int) -> None:
    passes = 5
    found = list(islice(batches(count, batch, 0), -(-passes * count // batch)))
    assert {len(chosen) for chosen in found} == {batch}
    stream = np.concatenate(found)[: passes * count].reshape(passes, count)
    assert (np.sort(stream, axis=1) == np.arange(count)).all()
    if count == 10:
        assert len({tuple(order) for order in stream.tolist()}) == passes


def test_no_step_waits_for_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.optim, "SGD", unfused)
    one = network().to("meta").train()
    road = geometry(CROP, STRIDE, "meta")
    step = make_step(one, road, make_optimiser(one, SCHEDULE), UNREADABLE)
    height, width = feature_size(CROP, STRIDE)
    maps = torch.empty(4, CHANNELS, height, width, device="meta")
    targets = torch.empty(4, *feature_size(CROP, 4), dtype=torch.int64, device="meta")
    assert step({STRIDE: maps}, targets, 0.1).is_meta


def test_a_batch_larger_than_the_data_holds_every_image() -> None:
    for chosen in islice(batches(3, 8, 0), 6):
        assert set(chosen.tolist()) == {0, 1, 2}


def test_batches_depend_on_the_seed_alone() -> None:
    first, again, other = (np.stack(list(islice(batches(20, 4, seed), 9))) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_which_of_two_mirror_images_a_batch_holds_is_chance_made_of_seed_and_number() -> None:
    plain, both = Sized(Path("9")), Sized(Path("18"))
    order, longer, other = (
        np.array(list(order_of(both, 4, n, s))) for n, s in ((30, 3), (50, 3), (30, 4))
    )
    assert np.array_equal(order, longer[:30])
    assert not np.array_equal(order // 9, other // 9)
    assert np.array_equal(order % 9, list(order_of(plain, 4, 30, 3)))
    assert 0.4 < (order // 9).mean() < 0.6
    assert set((order // 9)[order % 9 == 0]) == {0, 1}


def test_every_architecture_sees_the_same_batches(data: FeatureSet) -> None:
    seen: list[list[Tensor]] = []
    for architecture in (TOP1, ASPP):
        inputs: list[Tensor] = []
        head = network(architecture)
        head.register_forward_pre_hook(
            lambda _, given, into=inputs: into.append(given[0][STRIDE].clone())
        )
        train(head, data, SCHEDULE, FLOAT32, steps=4, seed=3)
        seen.append(inputs)
    assert len(seen[0]) == len(seen[1]) == 4
    assert all(torch.equal(one, other) for one, other in zip(*seen, strict=True))
    assert not torch.equal(seen[0][0], seen[0][1])


@pytest.mark.parametrize("schedule", [SCHEDULE, Schedule(4, 0.03, 0.01, "adamw", 0.1)])
def test_training_lowers_the_loss(data: FeatureSet, schedule: Schedule) -> None:
    head, road = network(), geometry(CROP, STRIDE, "cpu")

    def loss() -> float:
        with torch.no_grad():
            return float(
                road.loss(head({STRIDE: data.features[STRIDE].float()}), data.targets.long())
            )

    before = loss()
    train(head, data, schedule, FLOAT32, steps=40, seed=3)
    assert loss() < 0.8 * before


def test_the_loss_is_that_of_every_fourth_pixel_of_the_whole_canvas(data: FeatureSet) -> None:
    logits = torch.randn(len(data), CLASSES, 5, 7, generator=torch.Generator().manual_seed(0))
    targets = data.targets.long()
    whole = functional.interpolate(logits, CROP, mode="bilinear", align_corners=True)
    expected = functional.cross_entropy(whole[:, :, ::4, ::4], targets, ignore_index=IGNORE)
    found = geometry(CROP, STRIDE, "cpu").loss(logits, targets)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_a_batch_of_ignored_labels_has_no_loss_and_no_gradient(data: FeatureSet) -> None:
    head = network()
    step = make_step(head, geometry(CROP, STRIDE, "cpu"), make_optimiser(head, SCHEDULE), FLOAT32)
    before = {name: parameter.clone() for name, parameter in head.named_parameters()}
    targets = torch.full((2, *data.targets.shape[1:]), IGNORE)
    loss = step({STRIDE: data.features[STRIDE][:2].float()}, targets, 0.0)
    assert float(loss) == 0
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None
        assert not parameter.grad.any(), name
        assert torch.equal(parameter, before[name])


def test_weights_of_1x1_convolutions_alone_decay() -> None:
    head = network()
    groups = make_optimiser(head, Schedule(4, 0.1, 0.5)).param_groups
    decayed, free = (
        {id(p) for group in groups if group["weight_decay"] == decay for p in group["params"]}
        for decay in (0.5, 0.0)
    )
    convolutions = [module for module in head.modules() if isinstance(module, nn.Conv2d)]
    pointwise = {id(c.weight) for c in convolutions if c.kernel_size == (1, 1)}
    assert decayed == pointwise
    assert free == {id(parameter) for parameter in head.parameters()} - pointwise
    assert any(c.kernel_size == (3, 3) for c in convolutions)


@pytest.mark.parametrize(
    ("steps", "momentum"), [(30_000, 0.0003), (90_000, 0.0003), (400, 0.0225), (9, 1.0), (2, 1.0)]
)
def test_running_means_cover_the_last_tenth_of_the_run(
    data: FeatureSet, monkeypatch: pytest.MonkeyPatch, steps: int, momentum: float
) -> None:
    head = network()
    one = [np.arange(4)]
    monkeypatch.setattr("atrous.estimation.learning.batches", lambda *_: iter(one))
    train(head, data, SCHEDULE, FLOAT32, steps=steps, seed=0)
    norms = [module for module in head.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert {round(norm.momentum or 0, 9) for norm in norms} == {momentum}


def test_norm_decay_never_exceeds_one() -> None:
    head = network()
    set_norm_decay(head, 7.5)
    assert {m.momentum for m in head.modules() if isinstance(m, nn.BatchNorm2d)} == {1.0}


def test_the_rate_falls_by_the_poly_rule() -> None:
    schedule = Schedule(8, 0.2, 0)
    assert schedule.rate_at(0, 100) == 0.2
    assert schedule.rate_at(50, 100) == pytest.approx(0.2 * 0.5**0.9)
    rates = [schedule.rate_at(step, 100) for step in range(100)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] > 0


def test_the_rate_rises_over_the_warm_up_and_falls_by_the_same_rule() -> None:
    warm, cold = Schedule(8, 0.2, 0, warm_up=0.1), Schedule(8, 0.2, 0)
    ratios = [warm.rate_at(step, 100) / cold.rate_at(step, 100) for step in range(100)]
    assert ratios[:10] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1])
    assert ratios[10:] == [1] * 90
    assert Schedule(8, 0.2, 0, warm_up=0.001).rate_at(0, 100) == 0.2


def test_the_optimiser_is_the_one_of_the_schedule() -> None:
    sgd, adamw = (make_optimiser(network(), Schedule(4, 0.1, 0.5, name)) for name in OPTIMISERS)
    assert isinstance(sgd, torch.optim.SGD)
    assert isinstance(adamw, torch.optim.AdamW)
    assert {group["weight_decay"] for group in adamw.param_groups} == {0.5, 0}
    for one, other in zip(sgd.param_groups, adamw.param_groups, strict=True):
        assert [p.shape for p in one["params"]] == [p.shape for p in other["params"]]


def test_each_step_has_its_rate(data: FeatureSet, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []

    def step(features: Pyramid, targets: Tensor, rate: float) -> Tensor:
        assert len(features[STRIDE]) == len(targets) == SCHEDULE.batch
        rates.append(rate)
        return torch.zeros(())

    monkeypatch.setattr("atrous.estimation.learning.make_step", lambda *_: step)
    train(network(), data, SCHEDULE, FLOAT32, steps=5, seed=0)
    assert rates == [SCHEDULE.rate_at(number, 5) for number in range(5)]


@pytest.mark.parametrize("steps", [2, 30])
def test_a_run_that_diverges_says_where(data: FeatureSet, steps: int) -> None:
    with pytest.raises(NonFiniteError, match=rf"the loss was (nan|inf) at step \d+ of {steps}"):
        train(network(), data, Schedule(4, 1e38, 0), FLOAT32, steps, seed=0)
