"""One layer of the trunk, against the same arithmetic in numpy."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
import torch
from torch import nn

from atrous.spaces.auto_deeplab.cell import Block, Edge, Operation, RepeatedCell
from tests.cases import each
from tests.networks.plain import layer_output, unsettled
from tests.networks.trunks import layer_of, random_cell

UP, STAY, DOWN = -1, 0, 1


def drawn(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


@each("size", [(1, 1), (5, 9), (4, 6)])
@each("move", [UP, STAY, DOWN])
@each("seed", range(4))
@torch.no_grad()
def test_a_layer_is_what_it_is_said_to_be(seed: int, move: int, size: tuple[int, int]) -> None:
    cell = random_cell(Random(seed), 1 + seed)
    layer = layer_of(cell, 6, 3 + seed % 2, 4, move)
    unsettled(layer)
    x, y = drawn(2, 6, *size), drawn(2, 3 + seed % 2, 7, 11)
    expected = layer_output(layer, cell, move, x.numpy(), y.numpy())
    found = layer(x, y)
    assert found.shape == (2, 4 * len(cell), *(after(side, move) for side in size))
    np.testing.assert_allclose(found, expected, atol=1e-10)


def after(side: int, move: int) -> int:
    """How many positions follow from so many."""
    return {UP: 2 * side - 1, STAY: side, DOWN: (side + 1) // 2}[move]


@pytest.mark.parametrize(("move", "size"), [(UP, (9, 5)), (STAY, (5, 3)), (DOWN, (5, 3))])
@torch.no_grad()
def test_a_map_that_fits_is_not_resized(move: int, size: tuple[int, int]) -> None:
    cell = random_cell(Random(0), 2)
    layer, fitting = (layer_of(cell, 6, 3, 4, move, fits) for fits in (False, True))
    fitting.load_state_dict(layer.state_dict())
    x, y = torch.randn(2, 6, 5, 3), torch.randn(2, 3, *size)
    torch.testing.assert_close(layer.eval()(x, y), fitting.eval()(x, y))
    with pytest.raises(RuntimeError):
        fitting(x, torch.randn(2, 3, 8, 8))


def test_each_input_gets_its_own_operation() -> None:
    """A public implementation swaps the two where the stronger edge is the later one."""
    cell = (Block(Edge(0, Operation.MAXIMUM), Edge(1, Operation.SKIP)),)
    layer = layer_of(cell, 2, 2, 2, STAY).eval()
    x = torch.zeros(1, 2, 5, 5)
    x[0, :, 2, 2] = 1
    nn.init.dirac_(layer.get_submodule("previous.1").weight)  # type: ignore[arg-type]
    y = torch.zeros(1, 2, 5, 5)
    wide, narrow = layer(x, y), layer(y, x)
    assert wide.count_nonzero() == 2 * 9
    assert narrow.count_nonzero() == 2


@pytest.mark.parametrize("move", [UP, STAY, DOWN])
def test_only_what_reads_the_layers_before_halves(move: int) -> None:
    """In a down step; block 1 reads block 0, which is half as large already."""
    cell: RepeatedCell = (
        Block(Edge(0, Operation.SEPARABLE_3), Edge(1, Operation.SKIP)),
        Block(Edge(1, Operation.AVERAGE), Edge(2, Operation.SEPARABLE_5)),
    )
    layer = layer_of(cell, 4, 4, 2, move)
    strides = [
        max(
            (s if isinstance(s := part.stride, int) else s[0])
            for part in operation.modules()
            if isinstance(part, (nn.Conv2d, nn.AvgPool2d))
        )
        if list(operation.children()) or isinstance(operation, nn.AvgPool2d)
        else 1
        for operation in layer.operations
    ]
    halves = 2 if move == DOWN else 1
    assert strides == [halves, halves, halves, 1]


def test_a_map_of_the_blocks_width_is_not_projected() -> None:
    cell = random_cell(Random(0), 2)
    assert isinstance(layer_of(cell, 4, 4, 4, STAY).before, nn.Identity)
    assert not isinstance(layer_of(cell, 4, 4, 4, STAY).previous, nn.Identity)
    assert not isinstance(layer_of(cell, 4, 5, 4, STAY).before, nn.Identity)


def test_gradients_reach_every_weight() -> None:
    """Of states, too, that several blocks read: no operation overwrites its input."""
    for seed in range(6):
        cell = random_cell(Random(seed), 5)
        layer = layer_of(cell, 6, 3, 4, seed % 3 - 1)
        layer(torch.randn(2, 6, 5, 5), torch.randn(2, 3, 9, 9)).square().mean().backward()
        used = {edge.state for block in cell for edge in (block.first, block.second)}
        for state, projection in ((0, layer.previous), (1, layer.before)):
            reached = all(p.grad is not None for p in projection.parameters())
            assert reached == (state in used)
        assert all(p.grad is not None for p in layer.operations.parameters())
