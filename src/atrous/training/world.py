"""The processes that train one network together, as `torchrun` starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from atrous.core.errors import AtrousError
from atrous.networks.backbones import import_timm


@dataclass(frozen=True)
class World:
    """Process `rank` of `size`, of which `local_size` are on this machine, and its device."""

    device: str
    rank: int = 0
    size: int = 1
    local_size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes what is written."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network, averaging gradients over the processes where there are several."""
        if self.size == 1:
            return network
        if self.device.startswith("cuda"):
            return DistributedDataParallel(network, device_ids=[torch.device(self.device).index])
        return DistributedDataParallel(network)

    def synchronise_norms(self, network: nn.Module) -> nn.Module:
        """Batch norms over all processes' images, on GPUs; torch has them there only.

        timm's own conversion: torch's would drop the activations that timm's norms contain.
        """
        if self.size == 1 or not self.device.startswith("cuda"):
            return network
        synchronised: nn.Module = import_timm().layers.convert_sync_batchnorm(network)
        return synchronised

    def total(self, numbers: Tensor) -> Tensor:
        """The sum of a tensor over all processes, on the device where there are several."""
        if self.size == 1:
            return numbers
        summed = numbers.detach().clone().to(self.device)
        distributed.all_reduce(summed)
        return summed

    def align(self, network: nn.Module) -> None:
        """Gives all processes the buffers of the first: batch norms that are not synchronised
        differ between them."""
        if self.size > 1:
            for buffer in network.buffers():
                distributed.broadcast(buffer, 0)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            distributed.barrier()


def announced(device: str) -> World:
    """The world that torchrun's environment tells of: this process alone on `device` without it.

    Raises `AtrousError` if torchrun started more processes than there are GPUs.
    """
    rank, size, local, local_size = (
        int(os.environ.get(name, default))
        for name, default in (
            ("RANK", "0"),
            ("WORLD_SIZE", "1"),
            ("LOCAL_RANK", "0"),
            ("LOCAL_WORLD_SIZE", "1"),
        )
    )
    if size == 1:
        return World(device)
    if not device.startswith("cuda"):
        return World(device, rank, size, local_size)
    if local_size > torch.cuda.device_count():
        raise AtrousError(
            f"torchrun started {local_size} processes, but this machine has "
            f"{torch.cuda.device_count()} GPUs. Start one for each: torchrun --nproc-per-node gpu."
        )
    return World(f"cuda:{local}", rank, size, local_size)


@contextmanager
def joined(device: str) -> Iterator[World]:
    """The world this process is part of, in which processes can speak to each other.

    Raises `AtrousError` if torchrun started more processes than there are GPUs.
    """
    world = announced(device)
    if world.size == 1:
        yield world
        return
    cuda = world.device.startswith("cuda")
    if cuda:
        torch.cuda.set_device(world.device)
    distributed.init_process_group("nccl" if cuda else "gloo")
    try:
        yield world
    finally:
        distributed.destroy_process_group()
