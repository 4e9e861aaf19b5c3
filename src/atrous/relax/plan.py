"""How much memory a search needs, before it starts. Bytes, in float32."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from atrous.relax.gates import GATES, TEMPERATURES, Mixture
from atrous.relax.kept import Kept
from atrous.spaces.auto_deeplab.relaxation.cell import RelaxedCell
from atrous.spaces.auto_deeplab.relaxation.size import Size
from atrous.spaces.auto_deeplab.relaxation.supernet import Supernet

DRAWS = 16
"""How many mixtures are drawn of a gate that leaves out most of the network."""


@dataclass(frozen=True)
class Plan:
    """Parameters; their gradients; what optimisers keep: the momentum of SGD for the weights, two
    moments of Adam for alpha and beta; and what is kept of a forward pass for the gradients."""

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
            f"{in_words(self.total)}: parameters {in_words(self.parameters)}, gradients "
            f"{in_words(self.gradients)}, optimisers {in_words(self.optimiser)}, activations "
            f"{in_words(self.activations)}"
        )


def memory_of(
    size: Size, batch: int, crop: tuple[int, int], gate: str, checkpointing: bool
) -> Plan:
    """The memory of a step on `batch` images of `crop` (H, W) pixels, by passes without data.

    Activations are those of network and cross-entropy; with checkpointing, also the largest cell,
    which is kept while it is computed again. Where a gate draws what is computed, the most of
    several draws counts. The room that operations need while they run is not in it.
    """
    with torch.device("meta"):
        network = Supernet(size, checkpointing)
        whole = Supernet(size)
        images = torch.empty(batch, 3, *crop)
    activations = 0
    for mixture in _mixtures(network, gate):
        kept, _ = _kept(network, images, mixture)
        again = _kept(whole, images, mixture)[1] if checkpointing else 0
        activations = max(activations, kept + again)
    parameters, architecture = _bytes(network.parameters()), _bytes(network.architecture())
    return Plan(parameters, parameters, parameters + architecture, activations)


def in_words(number: int) -> str:
    """Bytes, rounded up: 3 MiB, 1.5 GiB."""
    if number < 2**30:
        return f"{math.ceil(number / 2**20)} MiB"
    return f"{math.ceil(10 * number / 2**30) / 10:g} GiB"


def _mixtures(network: Supernet, gate: str) -> Iterator[Mixture]:
    generator = torch.Generator().manual_seed(0)
    alpha, beta = (
        torch.zeros(parameter.shape, device="cpu", requires_grad=True)
        for parameter in network.architecture()
    )
    for _ in range(DRAWS):
        temperature = TEMPERATURES[gate](0.0)
        mixture = GATES[gate](alpha, beta, network.size.layers, temperature, generator)
        yield mixture
        if all(mixture.arrows_on):
            break


def _kept(network: Supernet, images: Tensor, mixture: Mixture) -> tuple[int, int]:
    """What a pass keeps, and how much of it the largest cell that is not computed again."""
    kept, begins, cells = Kept(network.parameters()), [0], [0]
    handles = [
        handle
        for cell in network.modules()
        if isinstance(cell, RelaxedCell)
        for handle in (
            cell.register_forward_pre_hook(lambda *_: begins.append(kept.bytes)),
            cell.register_forward_hook(lambda *_: cells.append(kept.bytes - begins.pop())),
        )
    ]
    with kept:
        logits = network(images, mixture)
        labels = torch.empty(logits[:, 0].shape, dtype=torch.int64, device=logits.device)
        loss = functional.cross_entropy(logits, labels)
    for handle in handles:
        handle.remove()
    del loss
    return kept.bytes, max(cells)


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)
