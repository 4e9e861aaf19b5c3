"""What each process does that `test_world.py` starts through torchrun: a step.

Its argument is a folder for what it found.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from atrous.training.crops import Batch
from atrous.training.state import TrainingState
from atrous.training.world import World, joined
from tests.training.material import COMPUTE, batch, network, protocol

PROTOCOL = protocol(tune_norm=False)
SEED = 6


def part(world: World) -> Batch:
    """A process's images of the batch."""
    images, labels = batch(SEED)
    return images.chunk(world.size)[world.rank], labels.chunk(world.size)[world.rank]


def step(world: World) -> dict[str, torch.Tensor]:
    """The gradients of a step and its loss."""
    one = TrainingState(network(dropout=0.0), PROTOCOL, COMPUTE, world)
    loss = world.total(one.advance([part(world)]))
    found = {
        n: p.grad.contiguous() for n, p in one.network.named_parameters() if p.grad is not None
    }
    return found | {"loss": loss}


def aligned(world: World) -> torch.Tensor:
    """A buffer that was each process's rank, after it was aligned."""
    norm = torch.nn.BatchNorm2d(2)
    assert norm.running_mean is not None
    norm.running_mean.fill_(5 + world.rank)
    world.align(norm)
    return norm.running_mean


def main(folder: Path) -> None:
    with joined("cpu") as world:
        save_file(step(world) | {"aligned": aligned(world)}, folder / f"{world.rank}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
