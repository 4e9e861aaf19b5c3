"""One step, and the state it leaves: what the optimiser does, to what, and what is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from atrous.core.errors import AtrousError
from atrous.data.dataset import IGNORE
from atrous.networks.layers import AtrousDepthwise
from atrous.relax.bilevel import SearchState
from atrous.spaces.auto_deeplab.relaxation.space import relaxation_of
from atrous.tasks.segmentation import SEGMENTATION
from atrous.tasks.segmentation.probabilities import labelled, summed_loss
from atrous.training.checkpoint import Checkpoint
from atrous.training.crops import Batch
from atrous.training.state import TrainingState, decay_after
from atrous.training.world import World
from tests.relax.searching import PROTOCOL
from tests.training.material import (
    ALONE,
    COMPUTE,
    CROP,
    UNREADABLE,
    batch,
    equal,
    halves,
    network,
    protocol,
    state,
    tensors,
    unfused,
)


def gradients(one: TrainingState) -> dict[str, Tensor]:
    """What the last step's gradients were."""
    return {
        name: parameter.grad.clone()
        for name, parameter in one.network.named_parameters()
        if parameter.grad is not None
    }


def loss_of_step(one: TrainingState, parts: Sequence[Batch]) -> float:
    return float(one.advance(parts))


@pytest.mark.parametrize(
    "changes", [{}, {"accumulate": 2, "average": 0.5}, {"class_weights": (1.0, 2.0, 3.0)}]
)
def test_no_step_waits_for_an_accelerator(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.optim, "SGD", unfused)
    one = TrainingState(network(), protocol(**changes), UNREADABLE, ALONE)
    for _ in range(2):
        assert one.advance(halves(batch(0))).is_meta


def test_a_batch_in_parts_takes_the_same_step() -> None:
    """Apart from batch norms' statistics, also where parts differ in how much is ignored."""
    whole, parts = (
        state(protocol(tune_norm=False, accumulate=n, batch=4), dropout=0.0) for n in (1, 2)
    )
    data = batch(0)
    counts = [int(labelled(labels)) for _, labels in halves(data)]
    assert counts[0] > 1.2 * counts[1]
    one, other = loss_of_step(whole, [data]), loss_of_step(parts, halves(data))
    assert one == pytest.approx(other, rel=1e-5)
    expected = gradients(whole)
    assert len(expected) == len(list(whole.network.parameters()))
    for name, found in gradients(parts).items():
        assert torch.allclose(found, expected[name], rtol=1e-3, atol=1e-6), name


def test_a_step_is_sgd_with_momentum_poly_rate_and_decay_on_full_convolutions() -> None:
    """Three steps, beside the same in plain arithmetic; the biases of the class scores, the only
    ones of a convolution here, learn at twice the rate."""
    how = protocol(steps=5, rate=0.2, weight_decay=0.5)
    one = state(how)
    decayed = {
        f"{name}.weight"
        for name, module in one.network.named_modules()
        if isinstance(module, nn.Conv2d) and not isinstance(module, AtrousDepthwise)
    }
    assert any(name.startswith("logits") for name in decayed)
    assert any(name.startswith("backbone") for name in decayed)
    assert any(name.startswith("head") for name in decayed)
    momentum: dict[str, Tensor] = {}
    weights = tensors(one.network)
    for step in range(3):
        one.advance([batch(step)])
        rate = 0.2 * (1 - step / 5) ** 0.9
        after = tensors(one.network)
        for name, gradient in gradients(one).items():
            decay = 0.5 * weights[name] if name in decayed else 0
            momentum[name] = 0.9 * momentum.get(name, torch.tensor(0.0)) + gradient + decay
            times = 2 if name == "logits.bias" else 1
            expected = weights[name] - times * rate * momentum[name]
            assert torch.allclose(after[name], expected, rtol=1e-4, atol=1e-6), name
        weights = after


def test_depthwise_weights_of_a_backbone_do_not_decay() -> None:
    """MobileNetV2-like networks, with all pixels ignored, so that decay alone is left."""
    built = network(backbone="test_efficientnet")
    one = TrainingState(built, protocol(weight_decay=0.1, tune_norm=False), COMPUTE, World("cpu"))
    before = tensors(built)
    pixels, labels = batch(0)
    one.advance([(pixels, torch.full_like(labels, IGNORE))])
    after = tensors(built)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    convolutions = {n: m for n, m in built.named_modules() if isinstance(m, nn.Conv2d)}
    expected = {f"{n}.weight" for n, m in convolutions.items() if m.weight.shape[1] > 1}
    assert len(expected) < len(convolutions)
    assert moved == expected


def test_a_moving_average_is_kept_beside_the_weights() -> None:
    """Its decay is 2/11, 3/12, 4/13 at first, and never more than is asked for."""
    one = state(protocol(average=0.25))
    averaged: dict[str, Tensor] = {}
    for step in range(4):
        one.advance([batch(step)])
        for name, value in tensors(one.network).items():
            if value.is_floating_point():
                before = averaged.get(name, value)
                decay = min(0.25, (1 + step) / (10 + step))
                averaged[name] = decay * before + (1 - decay) * value
    found = tensors(one.scored)
    for name, value in averaged.items():
        assert torch.allclose(found[name], value, rtol=1e-4, atol=1e-6), name
    assert not equal(tensors(one.scored), tensors(one.network))


def test_a_young_average_forgets_the_first_weights() -> None:
    """With one decay of 0.999 throughout, 67 % of them would be left after 400 steps."""
    left = {steps: prod(decay_after(t, 0.999) for t in range(1, steps)) for steps in (9, 400)}
    assert left[9] < 1e-3
    assert left[400] < 1e-15
    assert pytest.approx(0.67, abs=0.01) == 0.999**399
    assert decay_after(8989, 0.999) < decay_after(8990, 0.999) == decay_after(30_000, 0.999)
    assert decay_after(8990, 0.999) == pytest.approx(0.999)


def test_without_an_average_the_weights_themselves_are_scored() -> None:
    one = state(protocol())
    assert one.scored is one.network


@pytest.mark.parametrize("tuned", [False, True])
def test_norms_keep_their_statistics_unless_they_are_tuned(tuned: bool) -> None:
    one = state(protocol(tune_norm=tuned))
    before = tensors(one.network)
    one.scored.eval()
    one.advance([batch(0)])
    after = tensors(one.network)
    means = [name for name in before if name.endswith(("running_mean", "running_var"))]
    assert {torch.equal(before[name], after[name]) for name in means} == {not tuned}
    scales = [name for name, _ in one.network.named_parameters() if name.endswith("1.bias")]
    assert not all(torch.equal(before[name], after[name]) for name in scales)


def test_running_means_cover_the_same_share_of_any_run() -> None:
    momenta = [
        {m.momentum for m in state(protocol(steps=n)).network.modules() if _is_norm(m)}
        for n in (4, 900, 30_000, 90_000)
    ]
    assert momenta == [{1.0}, {0.01}, {0.0003}, {0.0003}]


def test_norms_that_are_synchronised_keep_their_activation_and_have_the_decay() -> None:
    """timm's norms contain the activation; torch's own conversion loses it."""

    class Unwrapped(World):
        def wrap(self, network: nn.Module) -> nn.Module:
            return network

    alone = network(backbone="test_efficientnet", seed=3)
    together = network(backbone="test_efficientnet", seed=3)
    together = TrainingState(
        together, protocol(steps=900), COMPUTE, Unwrapped("cuda:0", 0, 2)
    ).network
    norms = [module for module in together.modules() if _is_norm(module)]
    assert {isinstance(norm, nn.SyncBatchNorm) for norm in norms} == {True}
    assert {norm.momentum for norm in norms} == {0.01}
    images = torch.randn(2, 3, *CROP)
    with torch.no_grad():
        assert torch.allclose(together.eval()(images), alone(images), atol=1e-6)
    assert together.state_dict().keys() == alone.state_dict().keys()


def test_the_loss_is_summed_over_labelled_pixels_with_their_weights() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, generator=draw)
    labels = torch.randint(0, 3, (2, 4, 5), generator=draw)
    labels[0, :2] = IGNORE
    weights = torch.tensor([0.5, 2.0, 3.0])
    scores = logits.double().numpy()
    chances = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    expected = sum(
        -float(weights[k]) * np.log(chances[b, k, y, x])
        for (b, y, x), k in np.ndenumerate(labels.numpy())
        if k != IGNORE
    )
    assert float(summed_loss(logits, labels, weights)) == pytest.approx(expected, rel=1e-5)
    assert int(labelled(labels)) == 30


def test_each_step_and_process_drops_out_something_else() -> None:
    """Steps that change nothing, on one batch: only dropout differs, and only by step and rank."""

    class Unwrapped(World):
        def wrap(self, network: nn.Module) -> nn.Module:
            return network

        def total(self, numbers: Tensor) -> Tensor:
            return numbers

    how = protocol(rate=1e-30, tune_norm=False)
    first, again, other = (
        TrainingState(network(dropout=0.5), how, COMPUTE, Unwrapped("cpu", rank, 2))
        for rank in (0, 0, 1)
    )
    losses = [[loss_of_step(one, [batch(0)]) for _ in range(3)] for one in (first, again, other)]
    assert losses[0] == losses[1]
    assert len({*losses[0], *losses[2]}) == 6


def test_ignored_pixels_count_nowhere() -> None:
    logits = torch.randn(1, 3, 4, 5, requires_grad=True)
    labels = torch.zeros(1, 4, 5, dtype=torch.int64)
    labels[0, 1] = IGNORE
    summed_loss(logits, labels).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert (logits.grad[0, :, 1] == 0).all()
    assert (logits.grad[0, :, [0, 2, 3]] != 0).all()


def test_the_loss_of_a_step_is_the_mean_over_labelled_pixels() -> None:
    one, other = (state(protocol(tune_norm=False), dropout=0.0) for _ in range(2))
    pixels, labels = batch(0, ignored=0.0)
    hidden = labels.clone()
    hidden[:, 10:] = IGNORE
    mixed = torch.cat([pixels, pixels]), torch.cat([hidden, torch.full_like(labels, IGNORE)])
    assert loss_of_step(one, [(pixels, hidden)]) == pytest.approx(
        loss_of_step(other, [mixed]), rel=1e-5
    )


def test_a_batch_without_labels_moves_nothing() -> None:
    one = state(protocol(weight_decay=0.0, tune_norm=False))
    before = tensors(one.network)
    pixels, labels = batch(0)
    assert loss_of_step(one, [(pixels, torch.full_like(labels, IGNORE))]) == 0
    assert equal(tensors(one.network), before)


def test_class_weights_weigh_the_loss() -> None:
    pixels, labels = batch(0, ignored=0.0)
    only = [(pixels, torch.full_like(labels, 1))]
    plain, weighted = (
        loss_of_step(state(protocol(class_weights=weights, tune_norm=False), dropout=0.0), only)
        for weights in ((), (7.0, 3.0, 9.0))
    )
    assert weighted == pytest.approx(3 * plain, rel=1e-5)


def test_the_task_says_the_loss_and_what_counts() -> None:
    """Twice the loss over half of what is labelled, in training and in a differentiable search."""
    lesson = replace(
        SEGMENTATION.lesson(),
        loss=lambda *given: 2 * summed_loss(*given),
        labelled=lambda labels: labelled(labels) / 2,
    )
    task = replace(SEGMENTATION, lesson=lambda: lesson)
    how, data = protocol(tune_norm=False), batch(2)
    plain, own = (
        TrainingState(network(dropout=0.0), how, COMPUTE, World("cpu"), each)
        for each in (SEGMENTATION, task)
    )
    assert loss_of_step(own, [data]) == pytest.approx(4 * loss_of_step(plain, [data]), rel=1e-5)
    relaxation = relaxation_of(PROTOCOL.space)
    searches = (
        SearchState(relaxation, PROTOCOL, COMPUTE, task=each) for each in (SEGMENTATION, task)
    )
    first, second = (float(search.advance(data, None).weights) for search in searches)
    assert second == pytest.approx(4 * first, rel=1e-5)


def test_images_are_normalised_as_the_model_does() -> None:
    """The loss of a step is that of the network on transformed images."""
    from atrous.data.transform import Transform

    one = state(protocol(tune_norm=False), dropout=0.0)
    pixels, labels = batch(2)
    backbone = one.network.backbone
    transform = Transform(backbone.mean, backbone.std)
    images = torch.stack([transform(image.permute(1, 2, 0).numpy()) for image in pixels])
    with torch.no_grad():
        expected = summed_loss(one.network(images), labels.long()) / labelled(labels)
    assert loss_of_step(one, [(pixels, labels)]) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_restored_state_takes_the_same_steps(average: float) -> None:
    how = protocol(average=average)
    one = state(how)
    for step in range(3):
        one.advance([batch(step)])
    other = state(how, seed=8)
    other.restore(one.checkpoint())
    assert other.step == 3
    for step in range(3, 6):
        assert loss_of_step(one, [batch(step)]) == loss_of_step(other, [batch(step)])
    assert equal(tensors(one.network), tensors(other.network))
    assert equal(tensors(one.scored), tensors(other.scored))
    assert equal(dict(one.checkpoint().tensors), dict(other.checkpoint().tensors))


def test_a_checkpoint_of_another_protocol_is_refused() -> None:
    with pytest.raises(AtrousError, match="Expected a checkpoint of a run under"):
        state(protocol(rate=0.1)).restore(state(protocol()).checkpoint())


def test_a_checkpoint_of_another_network_is_refused_in_a_sentence() -> None:
    foreign = TrainingState(network(filters=9), protocol(), COMPUTE, World("cpu")).checkpoint()
    with pytest.raises(AtrousError, match="Expected a checkpoint of this network") as told:
        state(protocol()).restore(foreign)
    assert len(str(told.value)) < 300


@pytest.mark.parametrize("missing", ["protocol", "step", "best"])
def test_a_record_of_another_kind_is_refused(missing: str) -> None:
    sound = state(protocol()).checkpoint()
    record = {name: value for name, value in sound.record.items() if name != missing}
    with pytest.raises(AtrousError, match=r"Expected the .* of a training run.*, but: "):
        state(protocol()).restore(Checkpoint(sound.tensors, record))
    strange = replace(sound, record={**sound.record, "protocol": {"speed": 3}})
    with pytest.raises(AtrousError, match=r"Expected the .* of a training run.*, but: "):
        state(protocol()).restore(strange)


def _is_norm(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.batchnorm._BatchNorm)
