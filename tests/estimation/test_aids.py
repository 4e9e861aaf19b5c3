"""Helps in training: what they teach, and that nothing of them remains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from atrous.core.errors import AtrousError
from atrous.core.trial import Measured
from atrous.data.dataset import IGNORE, Sample, read_image
from atrous.estimation import learning
from atrous.estimation.cached import Proxy
from atrous.estimation.extraction import Extraction, cached_features
from atrous.estimation.features import FeatureSet
from atrous.estimation.learning import (
    Aids,
    Stretch,
    Supervision,
    WeighedLoss,
    geometry,
    make_step,
    supervised,
    train,
)
from atrous.estimation.search_data import cached_of, unchanged_data
from atrous.model.model import save_model
from atrous.networks.backbones import Backbone
from atrous.spaces import find_architecture
from atrous.stages.search import require_possible
from atrous.training.checkpoint import load
from atrous.training.optimiser import Schedule
from atrous.training.state import decay_after
from tests import small_search
from tests.estimation.material import CLASSES, CROP, FLOAT32, TOP1, job, proxy
from tests.model import material

SCHEDULE = Schedule(4, 0.01, 0.01, "adamw")
DECODER = find_architecture("fast_dense-2x1:1.2.0.3.1.0.0.2.3")
"""Two blocks: of maps 1 and 2, and of 0 and 3; an inner and an outer operation each."""


@pytest.fixture(scope="module")
def maps(samples: tuple[Sample, ...], backbone: Backbone, cache: Path) -> FeatureSet:
    """Features at three strides."""
    return cached_features(Extraction(samples, backbone, CROP, "cpu", (4, 8, 16)), cache)


@pytest.fixture
def estimate(maps: FeatureSet) -> Proxy:
    """A proxy on them."""
    return replace(proxy(maps), schedule=SCHEDULE, init="torch")


def weights(estimate: Proxy, steps: int = 3) -> dict[str, Tensor]:
    return estimate.fit(DECODER, steps, 5).state_dict()


def test_auxiliary_cells_teach_and_vanish(estimate: Proxy) -> None:
    plain, helped = weights(estimate), weights(replace(estimate, aids=Aids(0.15)))
    assert plain.keys() == helped.keys()
    assert any(not torch.equal(plain[name], helped[name]) for name in plain)
    outcome = replace(estimate, aids=Aids(0.15))(
        replace(job(), trial=replace(job().trial, architecture=DECODER))
    )
    assert isinstance(outcome, Measured)
    first = [estimate.network(DECODER, 5).state_dict() for _ in range(2)]
    assert all(torch.equal(first[0][name], first[1][name]) for name in plain)


def test_a_part_without_inner_maps_learns_as_it_is(data: FeatureSet) -> None:
    estimate = proxy(data)
    network = estimate.network(TOP1, 5)
    assert supervised(network, Aids(0.15)) is network
    assert supervised(estimate.network(TOP1, 5), Aids()).__class__ is network.__class__


def test_losses_inside_count_by_their_weight(estimate: Proxy) -> None:
    learner = supervised(estimate.network(DECODER, 5), Aids(0.15))
    assert isinstance(learner, Supervision)
    data = estimate.training
    features = {stride: each[:2].float() for stride, each in data.features.items()}
    with torch.no_grad():
        targets, logits = data.targets[:2].long(), learner(features)
    assert [each.shape[-2:] for each in logits] == [(17, 25), (9, 13), (17, 25)]
    roads = tuple(geometry(CROP, stride, "cpu") for stride in (4, 8, 4))
    own, *inner = (r.loss(f, targets) for r, f in zip(roads, logits, strict=True))
    found = WeighedLoss(roads, 0.15).loss(logits, targets)
    assert float(found) == pytest.approx(float(own + 0.15 * sum(inner)), rel=1e-6)
    assert WeighedLoss(roads[:1], 0.15).loss(logits[:1], targets) == own


def test_a_teacher_adds_its_share_of_the_squared_difference() -> None:
    chance = torch.Generator().manual_seed(0)
    logits, taught = (torch.randn(2, CLASSES, *s, generator=chance) for s in ((5, 7), (17, 25)))
    targets = torch.randint(CLASSES, (2, 17, 25), generator=chance)
    targets[0] = IGNORE
    road = geometry(CROP, 16, "cpu")
    every = functional.interpolate(logits, CROP, mode="bilinear", align_corners=True)[..., ::4, ::4]
    expected = road.loss(logits, targets) + 0.3 * (every - taught).square().mean()
    assert float(road.loss(logits, targets, taught)) == pytest.approx(float(expected), rel=1e-5)


def test_the_moving_average_of_the_weights_remains(
    estimate: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    after: list[dict[str, Tensor]] = []

    def watched(network: Any, *rest: Any) -> Any:
        step = make_step(network, *rest)

        def run(*given: Any) -> Tensor:
            loss = step(*given)
            after.append({k: v.detach().clone() for k, v in network.named_parameters()})
            return loss

        return run

    monkeypatch.setattr(learning, "make_step", watched)
    kept = weights(replace(estimate, aids=Aids(average=0.15)), steps=4)
    assert [decay_after(n, 0.15) for n in (1, 2, 9)] == [0.15, 0.15, 0.15]
    for name, expected in after[0].items():
        for later in after[1:]:
            expected = 0.15 * expected + 0.85 * later[name]
        torch.testing.assert_close(kept[name], expected, rtol=1e-4, atol=1e-6)
    assert not torch.equal(kept["logits.weight"], after[-1]["logits.weight"])


def test_a_training_in_stretches_keeps_average_and_auxiliary_cells(
    estimate: Proxy, tmp_path: Path
) -> None:
    aids, files = Aids(0.15, 0.9), (tmp_path / "3", tmp_path / "6")
    schedule = replace(SCHEDULE, rungs=(3, 6, 9))
    for steps, first, before, after in ((3, 0, None, files[0]), (6, 2, *files)):
        learner = supervised(estimate.network(DECODER, 5), aids)
        stretch = Stretch(first, before, after)
        train(learner, estimate.training, schedule, FLOAT32, steps, 5, False, stretch, aids)
    for file, count in zip(files, (2, 5), strict=True):
        tensors = load(file).tensors
        assert int(tensors["average.n_averaged"]) == count
        assert "network.inner.1.logits.weight" in tensors


def test_auxiliary_cells_are_refused_where_no_part_can_have_them(tmp_path: Path) -> None:
    config = small_search.config(tmp_path / "missing", auxiliary=0.15)
    with pytest.raises(
        AtrousError, match="--auxiliary is 0 for --space dpc, whose parts have no maps"
    ):
        require_possible(config)


def test_a_teachers_scores_are_those_of_the_model(tmp_path: Path) -> None:
    """Read at every fourth pixel, mirror images as images of their own; another teacher makes
    another run, and one that tells other classes is none."""
    data, cache = small_search.write_data(tmp_path / "data"), tmp_path / "cache"
    teacher, model = tmp_path / "teacher", material.model(classes=small_search.CLASSES)
    with torch.no_grad():
        model.network.logits.weight.mul_(3e5)  # those of an untrained model hardly differ
    save_model(model, teacher)
    asked: dict[str, Any] = {"teacher": str(teacher), "flip": True}
    run, estimate = small_search.begun(data, tmp_path / "run", cache, **asked)
    assert isinstance(estimate, Proxy)
    assert estimate.aids.teacher is not None
    found = estimate.aids.teacher.features[4]
    sample = unchanged_data(run).training[1]
    with torch.no_grad():
        pixels = model.transform(read_image(sample.image))
        for number, image in ((1, pixels), (6, pixels.flip(-1))):
            expected = model(image[None])[0][:, ::4, ::4]
            torch.testing.assert_close(
                found[number, :, :16, :24].float(), expected, rtol=0.02, atol=0.05
            )
    assert found[1].float().std() > 0.1
    assert isinstance(estimate(job()), Measured)
    material.saved(teacher, seed=4, classes=small_search.CLASSES)
    with pytest.raises(AtrousError, match=r"has changed since it began.*: the teacher in "):
        cached_of(run, cache)
    strange = material.saved(tmp_path / "strange")
    with pytest.raises(AtrousError, match="--teacher: expected a model of the classes sky, wall"):
        small_search.begun(data, tmp_path / "other", cache, teacher=str(strange))
