"""Costs by arithmetic: against the built network, and against the paper."""

from __future__ import annotations

import subprocess
import sys
from math import prod
from random import Random

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from atrous.networks.network import Network, pad_to_canvas
from atrous.spaces.auto_deeplab.cell import OPERATIONS, Operation
from atrous.spaces.auto_deeplab.cost import network_cost_of, operation_cost
from atrous.spaces.auto_deeplab.trunk import make_operation
from tests.cases import each
from tests.networks.trunks import (
    PUBLISHED_CELL,
    PUBLISHED_PATH,
    parameters,
    random_cell,
    random_path,
    whole,
)

CITYSCAPES = (1025, 2049)


@each("seed", range(10))
def test_it_is_what_the_built_network_costs(seed: int) -> None:
    rng = Random(seed)
    path, cell = (
        random_path(rng, rng.choice((1, 2, 5, 12))),
        random_cell(rng, rng.choice((1, 2, 5))),
    )
    filters, size = rng.choice((1, 3, 8, 17, 20)), (rng.randrange(1, 200), rng.randrange(1, 200))
    with torch.device("meta"):
        network = whole(path, cell, filters)
    cost = network_cost_of(path, cell, filters, size)
    assert cost.parameters == parameters(network.backbone) + parameters(network.head)
    assert cost.multiply_adds == multiply_adds(network, size, without_decoder=True)


@each("strided", [False, True])
@each("operation", OPERATIONS)
def test_an_operation_costs_what_torch_counts(operation: Operation, strided: bool) -> None:
    with torch.device("meta"):
        module = make_operation(operation, 6, 2 if strided else 1)
    with FlopCounterMode(display=False) as counter:
        found = module(torch.empty(1, 6, 7, 9, device="meta"))
    cost = operation_cost(operation, 6, prod(found.shape[2:]), strided)
    assert cost.parameters == parameters(module)
    assert cost.multiply_adds == counter.get_total_flops() // 2


@pytest.mark.parametrize(
    ("filters", "billions", "printed", "percent", "padded"),
    [
        (20, 320.45, 333.25, 4.0, 7.42),
        (32, 439.92, 460.93, 4.8, 12.42),
        (48, 662.42, 695.03, 4.9, 19.71),
    ],
)
def test_the_paper_counts_more_multiply_adds_and_padding_explains_over_half_of_it(
    filters: int, billions: float, printed: float, percent: float, padded: float
) -> None:
    """S, M and L on 1025 x 2049 pixels, beside Liu et al. 2019, table 2. TensorFlow computes
    dilated convolutions on maps padded to a multiple of the rate; what is left of the difference is
    in proportion to F."""
    with torch.device("meta"):
        network = whole(PUBLISHED_PATH, PUBLISHED_CELL, filters)
    counted, added = counts(network)
    assert counted / 1e9 == pytest.approx(billions, abs=0.005)
    assert 100 * (printed / (counted / 1e9) - 1) == pytest.approx(percent, abs=0.06)
    assert added / 1e9 == pytest.approx(padded, abs=0.01)
    left = printed * 1e9 - counted - added
    assert left / filters == pytest.approx(268.6e6, rel=0.002)


def counts(network: Network) -> tuple[int, int]:
    """The multiply-adds on 1025 x 2049 pixels, and those of what dilated convolutions would be
    padded by."""
    counted: list[int] = []

    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        rate, sides = layer.dilation[0], output.shape[2:]
        positions = prod(-(-side // rate) * rate for side in sides) - prod(sides)
        counted.append(positions * layer.weight.numel())

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d)]
    found = multiply_adds(network, CITYSCAPES)
    for hook in hooks:
        hook.remove()
    return found, sum(counted)


def test_torch_is_not_needed() -> None:
    """Every candidate of a search is asked for its cost."""
    asked = (
        "import sys; from atrous.spaces.auto_deeplab import cost as c; "
        "c.network_cost_of((0, 1), (), 8, (5, 5)); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0


def multiply_adds(network: Network, size: tuple[int, int], without_decoder: bool = False) -> int:
    """What torch counts for one image of `size` (H, W)."""
    canvas = pad_to_canvas(torch.empty(1, 3, *size, device="meta"), network.backbone.canvas)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        if without_decoder:
            network.head(network.backbone(canvas))
        else:
            network.coarse(canvas)
    return int(counter.get_total_flops()) // 2
