"""The memory that a search needs, before it starts. Bytes, in float32."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from atrous.core.words import mebibytes
from atrous.networks.compute import Kept
from atrous.relax.config import SearchProtocol
from atrous.relax.gates import GATES, Group
from atrous.relax.relaxation import AnyMixture, Relaxation, RelaxedNetwork
from atrous.tasks import USUAL
from atrous.tasks.task import Task

DRAWS = 16
"""How many mixtures are drawn of a gate that leaves out most of the network."""


@dataclass(frozen=True)
class MemoryPlan:
    """Parameters; their gradients; what optimisers keep: the momentum of SGD for the weights, two
    moments of Adam for the architecture; and what is kept of a forward pass for the gradients."""

    parameters: int
    gradients: int
    optimiser: int
    activations: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.parameters + self.gradients + self.optimiser + self.activations

    def __str__(self) -> str:
        return (
            f"{mebibytes(self.total)}: parameters {mebibytes(self.parameters)}, gradients "
            f"{mebibytes(self.gradients)}, optimisers {mebibytes(self.optimiser)}, activations "
            f"{mebibytes(self.activations)}"
        )


def memory_of(relaxation: Relaxation, protocol: SearchProtocol, task: Task = USUAL) -> MemoryPlan:
    """Returns the memory of a step of a search, by passes without data.

    Activations are those of network and loss; with checkpointing, also the largest module
    that is computed again, which is kept meanwhile. Where a gate draws what is computed, the most
    of several draws counts. The room that operations need while they run is not in it.
    """
    filters, classes, checkpointing = protocol.filters, protocol.classes, protocol.checkpointing
    with torch.device("meta"):
        network = relaxation.network(filters, classes, checkpointing, task)
        whole = relaxation.network(filters, classes, False, task)
        images = torch.empty(protocol.batch, 3, *protocol.crop)
    activations = 0
    for mixture in _mixtures(network, protocol.gate):
        kept, _ = _kept(network, images, mixture, task)
        again = _kept(whole, images, mixture, task)[1] if checkpointing else 0
        activations = max(activations, kept + again)
    parameters, architecture = _bytes(network.parameters()), _bytes(network.architecture())
    return MemoryPlan(parameters, parameters, parameters + architecture, activations)


def _mixtures(network: RelaxedNetwork, gate: str) -> Iterator[AnyMixture]:
    """Draws what a gate lets through at first, several times where it draws what that is."""
    generator, choose = torch.Generator().manual_seed(0), GATES[gate]
    groups = {
        name: Group(
            tuple(torch.zeros(p.shape, device="cpu", requires_grad=True) for p in group.logits),
            group.compared,
        )
        for name, group in network.groups().items()
    }
    for _ in range(DRAWS if choose.alone else 1):
        yield network.mixture(choose(groups, choose.temperature(0.0), generator))


def _kept(
    network: RelaxedNetwork, images: Tensor, mixture: AnyMixture, task: Task
) -> tuple[int, int]:
    """Returns what a pass keeps, and how much of it the largest module that could be computed
    again."""
    kept, begins, modules = Kept(network.parameters()), [0], [0]
    handles = [
        handle
        for module in network.recomputed()
        for handle in (
            module.register_forward_pre_hook(lambda *_: begins.append(kept.bytes)),
            module.register_forward_hook(lambda *_: modules.append(kept.bytes - begins.pop())),
        )
    ]
    with kept:
        logits = network(images, mixture)
        labels = torch.empty(logits[:, 0].shape, dtype=torch.int64, device=logits.device)
        loss = task.lesson().loss(logits, labels)
    for handle in handles:
        handle.remove()
    del loss
    return kept.bytes, max(modules)


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)
