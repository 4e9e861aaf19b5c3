"""What every optimiser, writer of predictions and format of exported files keeps."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Literal, get_args, get_type_hints

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from atrous.cli.tables import UNIT, USE
from atrous.core.config import ProxyConfig, TrainingConfig
from atrous.core.options import leaves
from atrous.core.requests import ExportConfig, LatencyConfig
from atrous.data.encoding import distinct
from atrous.model.export.exported import FORMATS
from atrous.model.latency.measure import PREPARE
from atrous.model.predict.outputs import WRITERS
from atrous.training.optimiser import Schedule, kept_state, make_optimiser, restore_state, set_rate

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


def test_a_runtime_is_named_where_it_is_asked_for() -> None:
    (told,) = (leaf.option.help for leaf in leaves(LatencyConfig) if leaf.name == "runtime")
    assert all(name in told for name in PREPARE)
