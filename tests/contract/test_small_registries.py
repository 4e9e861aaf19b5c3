"""What every member of the small registries keeps: first weights, optimisers, writers, submissions,
formats, runtimes, units, decoders, costs, recipes."""

from __future__ import annotations

import pickle
from copy import deepcopy
from dataclasses import fields, replace
from pathlib import Path
from typing import Literal, get_args, get_type_hints

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from atrous.cli.options import METAVARS_OF_UNITS
from atrous.cli.tables import UNIT, USE
from atrous.core.architecture import OF_NETWORKS
from atrous.core.config import Init, ProxyConfig
from atrous.core.options import UNITS, leaves
from atrous.core.requests import ExportConfig, LatencyConfig
from atrous.core.stage_config import TrainingConfig
from atrous.core.trial import Job, Measured, Origin, Rung, Trial
from atrous.data.dataset import read_image, read_labels
from atrous.data.encoding import distinct
from atrous.data.layouts import LAYOUTS, read_dataset
from atrous.estimation.cached import Proxy
from atrous.estimation.prices import MEASURES, Prices
from atrous.estimation.zero_cost import ZERO_COSTS, Untrained
from atrous.model.card import METRICS
from atrous.model.evaluation.record import SCORES, Evaluation
from atrous.model.export.exported import FORMATS
from atrous.model.latency.conditions import RUNTIMES
from atrous.model.latency.measure import PREPARE
from atrous.model.predict.images import SUBMISSIONS, submitted_images
from atrous.model.predict.outputs import WRITERS
from atrous.networks.network import Network, initialise
from atrous.recipes import RECIPES
from atrous.spaces import find_architecture
from atrous.spaces.blueprint import build_network
from atrous.spaces.classic import NAMES, WORDS
from atrous.spaces.classic.module import DECODERS
from atrous.stages.told import READ
from atrous.tasks import USUAL
from atrous.training.optimiser import Schedule, kept_state, make_optimiser, restore_state, set_rate
from tests.data.layouts.miniatures import MINIATURES
from tests.model.export.material import blueprint
from tests.small_search import begun, write_data

OPTIMISERS = get_args(get_type_hints(TrainingConfig)["optimiser"])


def learn(network: nn.Module, optimiser: torch.optim.Optimizer, steps: int) -> float:
    """Takes steps towards zeros; gives the last loss."""
    images = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    losses: list[float] = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = (network(images) ** 2).mean()
        loss.backward()
        set_rate(optimiser, 0.05)
        optimiser.step()
        losses.append(loss.item())
    return losses[-1]


@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_optimiser_learns_and_goes_on_from_what_is_kept(
    name: Literal["sgd", "adamw"],
) -> None:
    assert get_args(get_type_hints(ProxyConfig)["optimiser"]) == OPTIMISERS
    torch.manual_seed(0)
    network, schedule = nn.Conv2d(3, 2, 3), Schedule(2, 0.05, 1e-4, name)
    optimiser = make_optimiser(network, schedule)
    first = learn(network, optimiser, 1)
    learn(network, optimiser, 4)
    kept = deepcopy(kept_state(network, optimiser))
    last = learn(network, optimiser, 5)
    assert last < first
    other = nn.Conv2d(3, 2, 3)
    resumed = make_optimiser(other, schedule)
    restore_state(other, resumed, kept)
    assert learn(other, resumed, 5) == last


@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_draws_the_whole_image_at_a_place_of_its_own(name: str, tmp_path: Path) -> None:
    rng, writer = np.random.default_rng(0), WRITERS[name]
    image = rng.integers(256, size=(7, 11, 3), dtype=np.uint8)
    ids = rng.integers(4, size=(7, 11), dtype=np.uint8)
    before = image.copy(), ids.copy()
    path = writer.path(tmp_path, "city/a.b")
    writer.write(path, image, ids, distinct(4))
    with Image.open(path) as written:
        assert written.size == (11, 7)
    assert np.array_equal(image, before[0])
    assert np.array_equal(ids, before[1])
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    places = [each.path(tmp_path, "a") for each in WRITERS.values()]
    assert len({*places}) == len(places)


def test_a_format_can_be_asked_for_and_is_explained() -> None:
    asked = get_type_hints(ExportConfig)
    assert {*get_args(asked["to"])} == {*FORMATS} == {*USE}
    assert {*get_args(asked["output"])} == {*UNIT}
    assert len({each.suffix for each in FORMATS.values()}) == len(FORMATS)


@pytest.fixture(scope="module")
def network() -> Network:
    return build_network(blueprint())


@pytest.mark.parametrize("init", get_args(Init))
def test_first_weights_are_drawn_by_chance_alone_and_the_encoder_keeps_its_own(
    init: Init, network: Network
) -> None:
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(deepcopy(network))
        initialise(drawn[-1], init)
    one, again, other = (each.state_dict() for each in drawn)
    assert all(torch.equal(one[name], again[name]) for name in one)
    moved = {name for name in one if not torch.equal(one[name], other[name])}
    assert bool(moved) == (init != "reference")
    assert not any(name.startswith("backbone.") for name in moved)
    assert all(tensor.isfinite().all() for tensor in one.values())


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_what_is_submitted_reads_as_the_masks_of_its_data_set_do(name: str, tmp_path: Path) -> None:
    submission = SUBMISSIONS[name]
    assert submission.layout in {layout.name for layout in LAYOUTS}
    dataset = read_dataset(MINIATURES[submission.layout](tmp_path / "data"))
    images = submitted_images(submission, dataset, "val", dataset.classes)
    for image, sample in zip(images, dataset.splits["val"], strict=True):
        labels = read_labels(sample)
        ids = np.where(labels < len(dataset.classes), labels, 0).astype(np.uint8)
        path = submission.writer.path(tmp_path / "out", image.name)
        submission.writer.write(path, read_image(image.path), ids, dataset.colours)
        assert np.array_equal(read_labels(replace(sample, mask=path)), ids)
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(written) == len(images)


def test_a_runtime_is_named_where_it_is_asked_for() -> None:
    (told,) = (leaf.option.help for leaf in leaves(LatencyConfig) if leaf.name == "runtime")
    assert all(name in told for name in PREPARE)
    assert {*PREPARE} == {*RUNTIMES}


@pytest.mark.parametrize("name", MEASURES)
def test_a_cost_of_a_network_is_known_once(name: str, tmp_path: Path) -> None:
    assert {*MEASURES} == {*OF_NETWORKS}
    data, space = write_data(tmp_path / "data"), "dpc-1"
    run, _ = begun(
        data, tmp_path / "run", tmp_path / "cache", space=space, objective=("miou", name)
    )
    cost, measured = Prices(run, run.goal), find_architecture(f"{space}:0.5")
    first = MEASURES[name](cost, measured)
    assert MEASURES[name](cost, measured) == cost(measured)[name] == first > 0


def test_scores_without_training_are_of_the_job_alone_and_tell_architectures_apart(
    tmp_path: Path,
) -> None:
    data = write_data(tmp_path / "data")
    _, proxy = begun(data, tmp_path / "run", tmp_path / "cache", space="dpc-2")
    assert isinstance(proxy, Proxy)
    estimator = Untrained(proxy)

    def told(name: str, seed: int = 3) -> dict[str, float]:
        trial = Trial(0, find_architecture(name), Origin("uniform"), seed)
        outcome = estimator(Job(trial, Rung(0, 1)))
        assert isinstance(outcome, Measured)
        return outcome.values

    one, other = told("dpc-2:0.5.1.3"), told("dpc-2:0.0.0.0")
    assert told("dpc-2:0.5.1.3") == pickle.loads(pickle.dumps(one)) == one
    assert {*one} == {*ZERO_COSTS}
    assert all(one[name] != other[name] for name in ZERO_COSTS)
    assert one["gradient_norm"] != told("dpc-2:0.5.1.3", 4)["gradient_norm"] > 0


def test_units_are_read_as_they_are_told() -> None:
    assert {*UNITS} == {*READ} == {*METAVARS_OF_UNITS}
    for unit, read in READ.items():
        *_, examples = UNITS[unit].partition("such as ")
        values = [read(text) for text in examples.replace(" or ", ", ").split(", ")]
        assert sorted(set(values)) == sorted(values)
        assert min(values) > 0


def test_a_well_known_decoder_has_a_name_and_is_told_in_words() -> None:
    assert [*DECODERS] == [*NAMES] == [*WORDS]
    assert {find_architecture(name).genotype for name in NAMES} == {(n,) for n in range(len(NAMES))}


def test_scores_of_evaluations_are_the_values_of_the_task() -> None:
    assert (*SCORES,) == USUAL.values
    assert {*METRICS} <= {*SCORES} <= {field.name for field in fields(Evaluation)}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_complete_and_stands_beside_its_other(name: str) -> None:
    recipe, other = RECIPES[name], RECIPES[RECIPES[name].beside]
    assert (recipe.name, other.beside) == (name, name)
    assert pickle.loads(pickle.dumps(recipe)) == recipe
    assert {recipe.architecture, other.architecture} == {"dpc:top1", "dpc:aspp"}
    same = ("need", "backbone", "decoder", "protocol", "weights", "output_stride", "filters")
    assert all(getattr(recipe, field) == getattr(other, field) for field in same)
    assert [s.name for s in recipe.scorings] == [s.name for s in other.scorings]
    assert find_architecture(recipe.architecture)
    assert recipe.need.layout in {layout.name for layout in LAYOUTS}
    assert all(one.source for one in recipe.published)
    assert len({scoring.name for scoring in recipe.scorings}) == len(recipe.scorings)
    assert any("COCO" in line for line in recipe.deviations)
    assert recipe.unpublished
