"""The proxy task: the same trial, the same score; right scores; failures that come as records."""

from __future__ import annotations

import pickle
from copy import copy
from dataclasses import replace
from types import SimpleNamespace
from typing import NoReturn

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, jaccard_score
from torch import Tensor, nn
from torch.nn import functional

from atrous.core.config import Init
from atrous.core.errors import AtrousError
from atrous.core.trial import Failed, Measured, Outcome, Reason
from atrous.data.dataset import IGNORE
from atrous.estimation.cached import Proxy, evaluate
from atrous.estimation.features import FeatureSet
from atrous.estimation.learning import are_resident, geometry
from atrous.networks.compute import Compute, Layout, Precision
from atrous.networks.network import Tail
from atrous.tasks.segmentation import evaluate as segmentation
from tests.estimation.material import ASPP, CHANNELS, CLASSES, CROP, STRIDE, TOP1, job, proxy


@pytest.fixture(scope="module")
def fitted(data: FeatureSet) -> Tail:
    """A candidate after a few steps, no class of which wins everywhere."""
    return proxy(data).fit(TOP1, 30, 5)


def measured(outcome: Outcome) -> Measured:
    assert isinstance(outcome, Measured), outcome
    return outcome


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("layout", ["channels_last", "contiguous"])
def test_the_same_trial_gives_exactly_the_same(
    data: FeatureSet, precision: Precision, layout: Layout
) -> None:
    estimate = proxy(data, Compute("cpu", precision, layout, 1))
    first = measured(estimate(job()))
    torch.rand(17)
    again = measured(estimate(job()))
    assert (again.values, again.details) == (first.values, first.details)
    other = measured(estimate(job(seed=6)))
    assert other.values != first.values


def convolutions(init: Init, data: FeatureSet, seed: int = 5) -> dict[str, nn.Conv2d]:
    network = replace(proxy(data), filters=64, init=init).network(TOP1, seed)
    return {n: m for n, m in network.named_modules() if isinstance(m, nn.Conv2d)}


def test_first_weights_are_torchs_own_or_those_of_the_reference(data: FeatureSet) -> None:
    first, again, other = (convolutions("torch", data, seed) for seed in (5, 5, 6))
    for name, layer in first.items():
        assert torch.equal(layer.weight, again[name].weight)
        assert not torch.equal(layer.weight, other[name].weight)
        bound = layer.weight[0].numel() ** -0.5
        assert float(layer.weight.detach().abs().max()) <= bound
        assert float(layer.weight.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.1)
    reference = convolutions("reference", data)
    assert float(reference["logits"].weight.detach().abs().max()) <= 0.02
    depthwise = [m for m in reference.values() if m.groups > 1]
    assert depthwise
    for layer in depthwise:
        assert float(layer.weight.detach().abs().max()) == pytest.approx(0.66, abs=0.02)


def test_the_outcome_is_of_the_job(data: FeatureSet) -> None:
    outcome = measured(proxy(data)(job()))
    assert outcome.job == job()
    assert set(outcome.values) == {
        "miou",
        "mean_accuracy",
        "pixel_accuracy",
        "weighted_iou",
        "cross_entropy",
    }
    assert outcome.seconds > 0
    assert len(outcome.details["class_iou"]) == CLASSES
    assert len(outcome.details["branch_norms"]) == 5


def test_scores_equal_a_slow_computation_at_label_resolution(
    data: FeatureSet, fitted: Tail
) -> None:
    """Logits read bilinearly at each pixel of each mask, then scikit-learn on all of them."""
    truths, guesses, losses = [], [], []
    fitted.eval()
    with torch.no_grad():
        logits = fitted({16: data.features[16].float()})
    canvas = functional.interpolate(logits, CROP, mode="bilinear", align_corners=True)
    for number, label in enumerate(data.labels()):
        placement = data.placements[number]
        height, width = placement.placed
        if placement.placed == placement.original:
            scores = canvas[number : number + 1, :, :height, :width]
        else:
            rows = torch.linspace(-1, 2 * (height - 1) / (CROP[0] - 1) - 1, label.shape[0])
            columns = torch.linspace(-1, 2 * (width - 1) / (CROP[1] - 1) - 1, label.shape[1])
            grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij")[::-1], -1)
            one = logits[number : number + 1]
            scores = functional.grid_sample(one, grid.unsqueeze(0), align_corners=True)
        counted = label != IGNORE
        truths.append(label[counted].numpy())
        guesses.append(scores[0].argmax(0)[counted].numpy())
        target = data.targets[number : number + 1].long()
        every_fourth = canvas[number : number + 1, :, ::4, ::4]
        losses.append(
            functional.cross_entropy(every_fourth, target, ignore_index=IGNORE, reduction="none")[
                target != IGNORE
            ]
        )
    truth, guess = np.concatenate(truths), np.concatenate(guesses)
    assert len(np.unique(guess)) > 1
    found = proxy(data).evaluate(fitted, data)
    each = jaccard_score(truth, guess, average=None, labels=range(CLASSES))
    assert found["class_iou"] == pytest.approx(tuple(each), abs=5e-4)
    assert found["miou"] == pytest.approx(jaccard_score(truth, guess, average="macro"), abs=5e-4)
    weighted = jaccard_score(truth, guess, average="weighted")
    assert found["weighted_iou"] == pytest.approx(weighted, abs=5e-4)
    assert found["pixel_accuracy"] == pytest.approx(accuracy_score(truth, guess), abs=5e-4)
    balanced = balanced_accuracy_score(truth, guess)
    assert found["mean_accuracy"] == pytest.approx(balanced, abs=5e-4)
    assert found["cross_entropy"] == pytest.approx(float(torch.cat(losses).mean()), rel=1e-4)


@pytest.mark.parametrize("batch", [1, 4, 9])
def test_scores_do_not_depend_on_how_many_images_are_scored_at_a_time(
    data: FeatureSet, fitted: Tail, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    expected = proxy(data).evaluate(fitted, data)
    monkeypatch.setattr("atrous.estimation.cached.BATCH", batch)
    found = proxy(data).evaluate(fitted, data)
    assert found["miou"] == pytest.approx(expected["miou"], abs=1e-3)
    assert found["cross_entropy"] == pytest.approx(expected["cross_entropy"], rel=1e-5)


def test_an_accelerator_scores_neighbours_together_and_keeps_what_it_reads(
    data: FeatureSet, fitted: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`cpu:0` is the processor under a name that is treated as a GPU is."""
    gpu = Compute("cpu:0", "float32", "channels_last", 1)
    expected = proxy(data).evaluate(fitted, data)
    groups: list[int] = []
    plain = segmentation.winners

    def winners(logits: Tensor) -> Tensor:
        groups.append(len(logits))
        return plain(logits)

    with monkeypatch.context() as patched:
        patched.setattr(segmentation, "winners", winners)
        found = evaluate(fitted, data, CLASSES, gpu)
    assert groups == [1, 1, 1, 1, 1, 1, 2, 1]
    assert found["class_iou"] == expected["class_iou"]
    assert found["miou"] == expected["miou"]
    assert found["cross_entropy"] == pytest.approx(expected["cross_entropy"], rel=1e-6)
    kept = replace(proxy(data, gpu), resident=True)
    assert kept.evaluate(fitted, data) == found
    trained = kept.fit(TOP1, 2, 5).state_dict()
    again = copy(data)
    monkeypatch.setattr(FeatureSet, "features", property(refuse))
    monkeypatch.setattr(FeatureSet, "targets", property(refuse))
    kept = replace(kept, training=again, selection=again)
    for name, tensor in kept.fit(TOP1, 2, 5).state_dict().items():
        assert torch.equal(tensor, trained[name])


def refuse(_: FeatureSet) -> NoReturn:
    raise AssertionError("the features are in the memory of the accelerator already")


def test_whether_features_stay_on_a_card_depends_on_the_card_and_the_run_alone(
    data: FeatureSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken_now(*_: object) -> NoReturn:
        raise AssertionError("what is free at the moment is chance")

    monkeypatch.setattr(torch.cuda, "mem_get_info", taken_now)
    assert not are_resident((data,), "cpu", 1)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    size = 9 * (2 * CHANNELS * 5 * 7 + 17 * 25)
    assert data.size == size
    for memory, workers, expected in (
        (2 * size + 1, 2, True),
        (2 * size + 1, 3, False),
        (4 * size + 1, 4, True),
        (2 * size, 1, False),
    ):
        monkeypatch.setattr(
            torch.cuda,
            "get_device_properties",
            lambda _, total=memory: SimpleNamespace(total_memory=total),
        )
        assert are_resident((data,), "cuda", workers) is expected


def test_scoring_changes_nothing(data: FeatureSet, fitted: Tail) -> None:
    before = {name: tensor.clone() for name, tensor in fitted.state_dict().items()}
    estimate = proxy(data)
    assert estimate.evaluate(fitted, data) == estimate.evaluate(fitted, data)
    after = fitted.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_branch_norms_are_those_of_the_projection(data: FeatureSet, fitted: Tail) -> None:
    weight = fitted.state_dict()["head.projection.0.weight"]
    expected = [float(weight[:, 8 * k : 8 * k + 8].abs().sum()) / (8 * 8) for k in range(5)]
    found = proxy(data).evaluate(fitted, data)["branch_norms"]
    assert found == pytest.approx(tuple(expected), rel=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_divergence_is_a_record(data: FeatureSet, steps: int) -> None:
    outcome = proxy(data, rate=1e38)(job(steps))
    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.NON_FINITE
    assert "diverged" in outcome.error
    assert "--rate" in outcome.error


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB\nmore"),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"),
    ],
)
def test_lack_of_memory_is_a_record(
    data: FeatureSet, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def lack(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr("atrous.estimation.cached.train", lack)
    outcome = proxy(data)(job())
    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.OUT_OF_MEMORY
    assert "Lower --batch, --filters or --workers" in outcome.error
    assert "\n" not in outcome.error


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), AtrousError("damaged")])
def test_other_errors_are_not_hidden(
    data: FeatureSet, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr("atrous.estimation.cached.train", fail)
    with pytest.raises(type(error), match=str(error)):
        proxy(data)(job())


def test_it_pickles_small_after_use_and_scores_the_same(data: FeatureSet) -> None:
    used = proxy(FeatureSet(data.path))
    expected = measured(used(job()))
    pickled = pickle.dumps(used)
    assert len(pickled) < 2000
    found = measured(pickle.loads(pickled)(job()))
    assert (found.values, found.details) == (expected.values, expected.details)


def test_first_weights_are_drawn_from_the_seed(data: FeatureSet) -> None:
    estimate: Proxy = proxy(data)
    one, again, other = (estimate.network(TOP1, seed) for seed in (1, 1, 2))
    same = zip(one.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in same)
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)
    baseline = estimate.network(ASPP, 5)
    features = {16: data.features[16][:2].float()}
    assert baseline.eval()(features).shape == (2, CLASSES, 5, 7)


def test_the_cross_entropy_of_an_image_without_labels_counts_nothing(
    data: FeatureSet, fitted: Tail
) -> None:
    copied = FeatureSet(data.path)
    copied.targets[0] = IGNORE
    part = proxy(data).evaluate(fitted, copied)
    whole = proxy(data).evaluate(fitted, data)
    road = geometry(CROP, STRIDE, "cpu")
    with torch.no_grad():
        logits = fitted.eval()({16: data.features[16].float()})
    rest = float(road.loss(logits[1:], data.targets[1:].long()))
    assert part["cross_entropy"] == pytest.approx(rest, rel=1e-4)
    assert part["cross_entropy"] != whole["cross_entropy"]
