"""Small relaxed networks in double precision, and what they are tested with."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import torch
from torch import Tensor

from atrous.relax.gates import GATES
from atrous.spaces.auto_deeplab.cell import GIVEN, OPERATIONS, Block, Edge, RepeatedCell
from atrous.spaces.auto_deeplab.relaxation.mixture import Mixture
from atrous.spaces.auto_deeplab.relaxation.supernet import Supernet, SupernetSize
from atrous.spaces.auto_deeplab.trellis import Path, exits

SMALL = SupernetSize(layers=3, blocks=3, filters=2, classes=3)


def drawn(size: SupernetSize = SMALL, checkpointing: bool = False, seed: int = 0) -> Supernet:
    """A network whose alpha and beta are far from uniform."""
    torch.manual_seed(seed)
    network = Supernet(size, checkpointing).double()
    for parameter in network.architecture():
        parameter.data.normal_()
    return network


def pictures(height: int = 33, width: int = 65) -> Tensor:
    """Two images."""
    draw = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, height, width, dtype=torch.float64, generator=draw)


def mixture_of(network: Supernet, gate: str, temperature: float = 1.0, seed: int = 2) -> Mixture:
    """What a gate makes of the network's parameters."""
    draw = torch.Generator().manual_seed(seed)
    return network.mixture(GATES[gate](network.groups(), temperature, draw))


def gradients(output: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """Of a fixed random sum of the output; zeros where it does not depend on a parameter."""
    draw = torch.Generator().manual_seed(3)
    factors = torch.randn(output.shape, dtype=output.dtype, generator=draw)
    found = torch.autograd.grad((output * factors).sum(), parameters, allow_unused=True)
    return [
        torch.zeros_like(parameter) if gradient is None else gradient
        for parameter, gradient in zip(parameters, found, strict=True)
    ]


def some_cell(rng: Random, blocks: int) -> RepeatedCell:
    """A cell of any states and operations."""

    def edges_of(block: int) -> Block:
        first, second = sorted(rng.sample(range(block + GIVEN), 2))
        return Block(Edge(first, rng.choice(OPERATIONS)), Edge(second, rng.choice(OPERATIONS)))

    return tuple(edges_of(block) for block in range(blocks))


def some_path(rng: Random, layers: int) -> Path:
    """A walk over the levels."""
    path = [0]
    for _ in range(layers):
        path.append(rng.choice(exits(path[-1])))
    return tuple(path[1:])


def all_paths(layers: int) -> list[Path]:
    """Every one, in order."""
    paths: list[Path] = [()]
    for _ in range(layers):
        paths = [(*path, to) for path in paths for to in exits(path[-1] if path else 0)]
    return paths
