"""The expected latency of a relaxed network."""

from __future__ import annotations

from math import e, log

import pytest
import torch
from torch import Tensor

from atrous.relax.relaxation import latency_loss
from atrous.spaces.auto_deeplab.cell import GIVEN, OPERATIONS, Block, Edge, Operation, edges
from atrous.spaces.auto_deeplab.relaxation.decoding import outgoing
from atrous.spaces.auto_deeplab.relaxation.space import (
    MOVES,
    PLACES,
    expected_latency,
    inputs_name,
    operation_name,
    reached,
)
from atrous.spaces.auto_deeplab.trellis import arrows

CELL = (
    Block(Edge(0, Operation.ATROUS_3), Edge(1, Operation.SKIP)),
    Block(Edge(1, Operation.MAXIMUM), Edge(2, Operation.SEPARABLE_5)),
)
PATH = (0, 1, 2, 1)


TABLE = {
    **{
        operation_name(operation, *place): 0.1 + p + 0.01 * o
        for p, place in enumerate(PLACES)
        for o, operation in enumerate(OPERATIONS)
    },
    **{inputs_name(*move): 0.001 * (m + 1) for m, move in enumerate(MOVES)},
}


def _one_hot() -> tuple[Tensor, Tensor]:
    """The weights that are decoded as CELL, and the arrows of PATH."""
    weights = torch.zeros(5, 8)
    for row, (block, state) in enumerate(edges(2)):
        kept = {edge.state: edge.operation for edge in (CELL[block].first, CELL[block].second)}
        weights[row, OPERATIONS.index(kept[state]) if state in kept else len(OPERATIONS)] = 1
    before = (0, *PATH)
    taken = [(a.source, a.target) == (before[a.layer], PATH[a.layer]) for a in arrows(len(PATH))]
    return weights, torch.tensor(taken).float()


def test_one_network_takes_the_sum_of_its_parts() -> None:
    expected = 0.0
    for source, target in zip((0, *PATH), PATH, strict=False):
        expected += TABLE[inputs_name(source, target)]
        for edge in (edge for block in CELL for edge in (block.first, block.second)):
            stride = 2 if target > source and edge.state < GIVEN else 1
            expected += TABLE[operation_name(edge.operation, target, stride)]
    assert expected_latency(TABLE, *_one_hot()).item() == pytest.approx(expected)


def test_none_takes_no_time() -> None:
    nothing = torch.zeros(5, 8)
    nothing[:, -1] = 1
    _, reached = _one_hot()
    free = {**TABLE, **{inputs_name(*move): 0.0 for move in MOVES}}
    assert expected_latency(free, nothing, reached) == 0


def test_the_mean_over_walks() -> None:
    """One layer, two ways: the expectation lies between them as their probabilities say."""
    weights, _ = _one_hot()
    same, down = (expected_latency(TABLE, weights, way) for way in torch.eye(2))
    found = expected_latency(TABLE, weights, reached(torch.tensor([0.25, 0.75])))
    assert found.item() == pytest.approx((0.25 * same + 0.75 * down).item())
    assert same != down


def test_gradients_are_those_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(5, 8, generator=generator).double().requires_grad_()
    shares = torch.tensor(outgoing([0.3, -1, 2, 0, 0.5, 1, -0.4])).double().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda w, s: expected_latency(TABLE, w, reached(s)), (weights, shares)
    )


def test_the_power_is_of_the_logarithm() -> None:
    # a public implementation takes log(LAT^beta), in which beta is a mere factor
    loss = latency_loss(torch.tensor(2.0), torch.tensor(e**4))
    assert loss.item() == pytest.approx(2 * 0.2 * 4**0.6)
    assert loss.item() != pytest.approx(2 * 0.2 * log((e**4) ** 0.6), rel=0.01)


@pytest.mark.parametrize("fast", [1e-3, 0.9, 1.0, 2.7])
def test_below_e_milliseconds_there_is_no_pull(fast: float) -> None:
    latency = torch.tensor(fast, requires_grad=True)
    loss = latency_loss(torch.tensor(2.0), latency)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(0.4)
    assert latency.grad == 0


def test_slower_is_worse_and_shifts_the_gradient_of_the_loss() -> None:
    latency = torch.tensor(20.0, requires_grad=True)
    latency_loss(torch.tensor(2.0), latency).backward()  # type: ignore[no-untyped-call]
    assert latency.grad is not None
    assert latency.grad.item() == pytest.approx(0.4 * 0.6 * log(20) ** -0.4 / 20)
