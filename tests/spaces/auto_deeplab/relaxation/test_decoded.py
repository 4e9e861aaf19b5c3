"""A relaxed network with one architecture alone against the decoded network."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor

from atrous.spaces.auto_deeplab.cell import RepeatedCell
from atrous.spaces.auto_deeplab.relaxation.mixture import one_hot
from atrous.spaces.auto_deeplab.relaxation.supernet import Supernet, SupernetSize
from atrous.spaces.auto_deeplab.trellis import STRIDES, Path
from atrous.spaces.auto_deeplab.trunk import Layer, Trunk
from tests.spaces.auto_deeplab.relaxation.nested import convolutions, merged_weights
from tests.spaces.auto_deeplab.relaxation.networks import drawn, pictures, some_cell, some_path


@pytest.mark.parametrize("seed", range(6))
def test_a_one_hot_relaxed_network_computes_what_the_decoded_one_does(seed: int) -> None:
    rng = Random(seed)
    layers, blocks = rng.randrange(3, 6), rng.randrange(2, 5)
    _compare(some_path(rng, layers), some_cell(rng, blocks))


@pytest.mark.parametrize("path", [(0, 0, 0), (1, 2, 3), (0, 1, 0), (1, 1, 0)])
def test_on_paths_that_stay_go_down_and_return(path: Path) -> None:
    _compare(path, some_cell(Random(0), 3))


def _compare(path: Path, cell: RepeatedCell) -> None:
    found, expected = features(path, cell)
    assert torch.allclose(found, expected, atol=1e-10)


def features(path: Path, cell: RepeatedCell) -> tuple[Tensor, Tensor]:
    """The last layer's features of a relaxed network and of the decoded one, with batch statistics
    and the same weights."""
    size = SupernetSize(len(path), len(cell), 2, 3)
    network = drawn(size)
    trunk = with_weights_of(network, path, cell)
    canvas = pictures(65, 97)
    found = network.outputs(canvas, one_hot(path, cell))
    assert list(found) == [path[-1]]
    return found[path[-1]].relu(), trunk(canvas)[STRIDES[path[-1]]]


def with_weights_of(network: Supernet, path: Path, cell: RepeatedCell) -> Trunk:
    """The decoded trunk, in training mode, with what the relaxed one has in its place."""
    trunk = Trunk(path, cell, network.size.filters).double().train()
    stem: Any = network.stem
    for own, merged in zip(
        convolutions(trunk.stem), (stem.first, stem.second, stem.third), strict=True
    ):
        own.weight.data.copy_(merged.weight)
    levels = (0, 0, *path)
    for number, layer in enumerate(trunk.layers):
        assert isinstance(layer, Layer)
        node: Any = network.nodes[f"{number}_{path[number]}"]
        _copy(layer, node, levels[number + 1], levels[number])
    return trunk


def _copy(layer: Layer, node: Any, source: int, before: int) -> None:
    (projection,) = convolutions(layer.previous)
    projection.weight.data.copy_(node.previous[str(source)].weight)
    for own in convolutions(layer.before):
        own.weight.data.copy_(node.before[str(before)].weight)
    channels = node.cell.channels
    for number, (edge, operation) in enumerate(zip(layer.edges, layer.operations, strict=True)):
        first = (number // 2 - max(edge.state - 1, 0)) * channels
        if found := convolutions(operation):
            merged = merged_weights(node, edge.state, edge.operation)
            for own, weights in zip(found, merged, strict=True):
                own.weight.data.copy_(weights[first : first + channels])
