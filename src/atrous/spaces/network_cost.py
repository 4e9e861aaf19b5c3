"""What a whole network costs, without building its storage."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from atrous.core.cost import Cost
from atrous.spaces.blueprint import Blueprint, blank_network


def network_cost(blueprint: Blueprint, size: tuple[int, int]) -> Cost:
    """All parameters, and the multiply-adds of convolutions and products for one H x W image.

    Backbone, cell, decoder and class scores count; batch norms, activations and interpolation do
    not.
    """
    network = blank_network(blueprint)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(torch.empty(1, 3, *size, device="meta"))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Cost(parameters, counter.get_total_flops() // 2)
