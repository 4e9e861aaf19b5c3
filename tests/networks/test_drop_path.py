"""Drop path: what it drops, and how often."""

from __future__ import annotations

from random import Random

import pytest
import torch

from atrous.networks.layers import DropPath, set_drop_path
from atrous.spaces.auto_deeplab.cell import Block, Edge, Operation
from atrous.spaces.auto_deeplab.trunk import Layer, Trunk
from tests.networks.trunks import PUBLISHED_CELL, PUBLISHED_PATH, layer_of, random_cell


def dropping(probability: float) -> DropPath:
    drop = DropPath(1.0)
    set_drop_path(drop, probability, 1.0)
    return drop


def test_whole_maps_are_dropped_and_the_others_grow() -> None:
    torch.manual_seed(0)
    maps = dropping(0.2)(torch.ones(4000, 2, 3, 1))
    assert set(maps.unique().tolist()) == {0.0, 1.25}
    assert (maps.amax((1, 2, 3)) == maps.amin((1, 2, 3))).all()
    assert maps.mean().item() == pytest.approx(1, abs=0.03)


def test_nothing_is_dropped_outside_training_nor_before_it_is_said_to() -> None:
    maps = torch.ones(100, 1, 1, 1)
    assert torch.equal(dropping(0.9).eval()(maps), maps)
    assert torch.equal(DropPath(1.0).train()(maps), maps)


def test_the_number_type_stays() -> None:
    assert dropping(0.5)(torch.ones(2, 1, 1, 1, dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize(("progress", "share"), [(0.0, 0.0), (0.25, 0.25), (1.0, 1.0), (2.0, 1.0)])
def test_deeper_layers_and_later_steps_drop_more(progress: float, share: float) -> None:
    """keep_l = 1 - (l + 1) / L * (1 - keep), then 1 - progress * (1 - keep_l)."""
    with torch.device("meta"):
        trunk = Trunk(PUBLISHED_PATH, PUBLISHED_CELL, 1)
    set_drop_path(trunk, 0.3, progress)
    for number, layer in enumerate(trunk.layers):
        assert isinstance(layer, Layer)
        keep = 1 - (number + 1) / 12 * (1 - 0.7)
        assert layer.drop.probability == pytest.approx(share * (1 - keep))


def test_all_but_skips_are_dropped() -> None:
    """With all else dropped, what is left of each block are its skips."""
    cell = (
        Block(Edge(0, Operation.SEPARABLE_3), Edge(1, Operation.SKIP)),
        Block(Edge(0, Operation.MAXIMUM), Edge(1, Operation.ATROUS_5)),
        Block(Edge(1, Operation.AVERAGE), Edge(2, Operation.SKIP)),
    )
    layer = layer_of(cell, 2, 3, 3, 0)
    layer.drop.probability = 1 - 1e-9
    y = torch.randn(2, 3, 5, 5)
    blocks = layer(torch.randn(2, 2, 5, 5), y).chunk(3, dim=1)
    for found, expected in zip(blocks, (y, torch.zeros_like(y), y), strict=True):
        torch.testing.assert_close(found, expected)


def test_each_operation_is_dropped_for_itself() -> None:
    torch.manual_seed(0)
    layer = layer_of(random_cell(Random(0), 5), 2, 2, 2, 0)
    layer.drop.probability = 0.5
    drawn: list[torch.Tensor] = []
    layer.drop.register_forward_hook(lambda _, _maps, made: drawn.append(made.amax((1, 2, 3)) > 0))
    layer(torch.randn(8, 2, 5, 5), torch.randn(8, 2, 5, 5))
    assert len({tuple(mask.tolist()) for mask in drawn}) > 1
