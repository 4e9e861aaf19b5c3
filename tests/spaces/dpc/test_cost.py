"""Counts of parameters and multiply-adds: against the paper, and against the built module."""

from __future__ import annotations

from random import Random

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from atrous.core.architecture import Cost
from atrous.spaces.dpc.cell import FEATURES, Branch, Cell, GridPooling
from atrous.spaces.dpc.module import DensePredictionCell
from atrous.spaces.dpc.space import ASPP, OPERATIONS, TOP1, cell_cost, decode, dpc
from tests.cases import each

CITYSCAPES = (65, 129)
MOBILENET, XCEPTION = 320, 2048
CELLS = {str(op): (Branch(op, FEATURES), Branch(op, 0)) for op in OPERATIONS} | {
    "aspp": ASPP,
    "top1": TOP1,
    "random": decode(dpc().sample(Random(8))),
}


@pytest.mark.parametrize(("channels", "parameters"), [(MOBILENET, 356_160), (XCEPTION, 814_080)])
def test_the_branches_of_top1_have_the_printed_parameters(channels: int, parameters: int) -> None:
    assert cell_cost(TOP1, channels, 256, CITYSCAPES).branches_alone.parameters == parameters


@pytest.mark.parametrize(
    ("cell", "channels", "printed", "exact"),
    [
        (ASPP[:4], MOBILENET, 2.82e9, 2_820_043_200),
        (TOP1, MOBILENET, 3.00e9, 2_986_401_600),
        (ASPP[:4], XCEPTION, 18.12e9, 18_048_276_480),
        (TOP1, XCEPTION, 6.84e9, 6_826_060_800),
    ],
)
def test_multiply_adds_are_the_printed_ones_within_half_a_percent(
    cell: Cell, channels: int, printed: float, exact: int
) -> None:
    counted = cell_cost(cell, channels, 256, CITYSCAPES).branches_alone.multiply_adds
    assert counted == exact
    assert counted == pytest.approx(printed, rel=0.005)


def test_image_pooling_adds_next_to_no_multiply_adds() -> None:
    whole, without = (cell_cost(c, MOBILENET, 256, CITYSCAPES) for c in (ASPP, ASPP[:4]))
    difference = whole.branches_alone.multiply_adds - without.branches_alone.multiply_adds
    assert difference == MOBILENET * 256
    assert whole.branches_alone.parameters - without.branches_alone.parameters == MOBILENET * 256


def test_a_count_by_hand() -> None:
    """Two branches of 4 filters on 3 channels and 5 x 7 positions; the second pools 2 x 4 cells."""
    cell = (CELLS["3x3 rate 6x3"][0], Branch(GridPooling((2, 4)), 0))
    cost = cell_cost(cell, 3, 4, (5, 7))
    assert cost.branches == (Cost(27 + 12, (27 + 12) * 35), Cost(16, 16 * 8))
    assert cost.projection == Cost(32, 32 * 35)
    assert cost.norms == 2 * (3 + 4 + 4 + 4)
    assert cost.branches_alone == Cost(55, 39 * 35 + 128)
    assert cost.total == Cost(55 + 32 + 30, 39 * 35 + 128 + 32 * 35)


@each("name", CELLS)
def test_parameters_are_those_of_the_built_module(name: str) -> None:
    network = built(CELLS[name])
    cost = cell_cost(CELLS[name], 10, 6, (9, 11))
    assert cost.total.parameters == parameters(network)
    assert cost.projection.parameters == network.state_dict()["projection.0.weight"].numel()
    for branch, part in zip(network.branches, cost.branches, strict=True):
        weights = (m.weight.numel() for m in branch.modules() if isinstance(m, nn.Conv2d))
        assert part.parameters == sum(weights)


@each("name", CELLS)
def test_multiply_adds_are_those_torch_counts(name: str) -> None:
    """torch counts the averages of pooling, matrix products here, beside the convolutions."""
    network = built(CELLS[name])
    with FlopCounterMode(display=False) as counter:
        network({16: torch.empty(1, 10, 9, 11, device="meta")})
    counts = {str(op): flops for op, flops in counter.get_flop_counts()["Global"].items()}
    convolutions = counts.pop("aten.convolution")
    assert convolutions == 2 * cell_cost(CELLS[name], 10, 6, (9, 11)).total.multiply_adds
    pools = any(isinstance(branch.operation, GridPooling) for branch in CELLS[name])
    assert bool(counts) == pools
    assert counts.keys() <= {"aten.bmm", "aten.mm"}


def built(cell: Cell) -> DensePredictionCell:
    with torch.device("meta"):
        return DensePredictionCell(cell, {16: 10}, 6).eval()


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
