"""How a mixture is made of the architecture's parameters: one function for each way to search.

A gate takes alpha [edges, 8], beta [arrows], the number of layers, a temperature and the generator
that its noise comes from, on whatever device that is; a `Mixture` says what is computed, and with
which weights. Alpha is normalised over the operations of an edge, `NONE` included, beta over the
arrows that leave a node of the trellis, of which there are two at strides 4 and 32 and three
between (Liu et al. 2019, equations 2 and 7).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from atrous.spaces.auto_deeplab.cell import OPERATIONS, RepeatedCell, edges
from atrous.spaces.auto_deeplab.relaxation.size import Size
from atrous.spaces.auto_deeplab.trellis import Path, arrows, exits

NEVER = len(OPERATIONS)
"""The place of `NONE`, which is never computed."""
CHOICES = NEVER + 1
"""Of an edge: the operations, then `NONE`."""


@dataclass(frozen=True)
class Mixture:
    """Weights of the operations on every edge [edges, 8] and of the arrows [arrows], through which
    gradients flow, and which of them are computed at all. A single path has weights 1 and no
    gradient: `contrast` says how it is learnt."""

    operations: Tensor
    arrows: Tensor
    operations_on: tuple[tuple[bool, ...], ...]
    arrows_on: tuple[bool, ...]


Gate = Callable[[Tensor, Tensor, int, float, torch.Generator], Mixture]


def softmax(
    alpha: Tensor, beta: Tensor, layers: int, temperature: float, generator: torch.Generator
) -> Mixture:
    """Everything, weighted by the softmax (Liu, Simonyan and Yang 2019; Liu et al. 2019). Draws
    nothing."""
    del generator
    leaving = [part.div(temperature).softmax(0) for part in by_node(beta, layers)]
    return _everything(alpha.div(temperature).softmax(1), torch.cat(leaving))


def fbnet(
    alpha: Tensor, beta: Tensor, layers: int, temperature: float, generator: torch.Generator
) -> Mixture:
    """Everything, weighted by the softmax of noisy logits (Wu et al. 2019, section 3.2)."""
    operations = _gumbel_softmax(alpha, temperature, generator)
    leaving = [_gumbel_softmax(part, temperature, generator) for part in by_node(beta, layers)]
    return _everything(operations, torch.cat(leaving))


def gdas(
    alpha: Tensor, beta: Tensor, layers: int, temperature: float, generator: torch.Generator
) -> Mixture:
    """One operation of each edge, the most likely under noise, with weight 1 and the gradient of
    the softmax (Dong and Yang 2019, section 3.2); and one path, drawn by the softmax of beta over
    the temperature, so that all are tried at first. Dong and Yang have no paths."""
    operations = _gumbel_softmax(alpha, temperature, generator)
    chosen = operations.argmax(1).tolist()
    arrows_on = on_path(draw_path(beta / temperature, layers, generator))
    return Mixture(
        _hard(operations),
        torch.tensor(arrows_on).to(beta),
        tuple(tuple(o == choice < NEVER for o in range(CHOICES)) for choice in chosen),
        arrows_on,
    )


GATES: dict[str, Gate] = {"softmax": softmax, "gdas": gdas, "fbnet": fbnet}

TEMPERATURES: dict[str, Callable[[float], float]] = {
    "softmax": lambda share: 1.0,  # noqa: ARG005
    "gdas": lambda share: 10 + (0.1 - 10) * share,
    "fbnet": lambda share: 5 * math.exp(-0.045 * 90 * share),
}
"""The temperature by the share of the search that is over, in [0, 1]: for GDAS linear from 10 to
0.1; for FBNet 5, times exp(-0.045) after each of 90 epochs."""


def one_hot(path: Path, cell: RepeatedCell, size: Size) -> Mixture:
    """One architecture alone: the relaxed network computes what the decoded one does."""
    chosen = {
        (block, edge.state): OPERATIONS.index(edge.operation)
        for block, both in enumerate(cell)
        for edge in (both.first, both.second)
    }
    numbers = [chosen.get(edge) for edge in edges(size.blocks)]
    operations_on = tuple(tuple(o == n for o in range(CHOICES)) for n in numbers)
    arrows_on = on_path(path)
    return Mixture(
        torch.tensor(operations_on, dtype=torch.get_default_dtype()),
        torch.tensor(arrows_on, dtype=torch.get_default_dtype()),
        operations_on,
        arrows_on,
    )


def draw_path(logits: Tensor, layers: int, generator: torch.Generator) -> Path:
    """A path from the stem, at each node by the softmax of what belongs to its arrows [arrows]."""
    with torch.no_grad():
        shares = [_gumbel_softmax(part, 1.0, generator) for part in by_node(logits, layers)]
        choices = torch.stack([share.argmax() for share in shares])
    return _path(choices.tolist(), layers)


def on_path(path: Path) -> tuple[bool, ...]:
    """Which arrows of the trellis a path follows."""
    steps = list(zip((0, *path), path, strict=False))
    return tuple(steps[a.layer] == (a.source, a.target) for a in arrows(len(path)))


def nodes(layers: int) -> tuple[tuple[int, int], ...]:
    """The (layer, source) that arrows leave together, in the arrows' order; the stem is the first,
    and nothing leaves the last layer."""
    return tuple(dict.fromkeys((arrow.layer, arrow.source) for arrow in arrows(layers)))


def by_node(beta: Tensor, layers: int) -> tuple[Tensor, ...]:
    """Beta [arrows] in parts: the arrows that leave each node."""
    return torch.split(beta, [len(exits(source)) for _, source in nodes(layers)])


def _everything(operations: Tensor, leaving: Tensor) -> Mixture:
    edge = tuple(choice < NEVER for choice in range(CHOICES))
    return Mixture(operations, leaving, (edge,) * len(operations), (True,) * len(leaving))


def _gumbel_softmax(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """The softmax over the last dimension of log-probabilities with Gumbel noise; drawn again where
    that is not finite."""
    while True:
        draws = torch.empty(logits.shape, device=generator.device).exponential_(generator=generator)
        noise = -draws.log().to(logits)
        result = logits.log_softmax(-1).add(noise).div(temperature).softmax(-1)
        if result.isfinite().all():
            return result


def _hard(probabilities: Tensor) -> Tensor:
    """1 for the most likely of the last dimension, else 0, with the gradient of `probabilities`."""
    largest = probabilities.argmax(-1, keepdim=True)
    hard = torch.zeros_like(probabilities).scatter(-1, largest, 1.0)
    return hard + (probabilities - probabilities.detach())


def _path(choices: Sequence[int], layers: int) -> Path:
    """Where one goes from the stem that takes the arrow of this number at each node."""
    chosen = dict(zip(nodes(layers), choices, strict=True))
    path: list[int] = []
    for layer in range(layers):
        source = path[-1] if path else 0
        path.append(exits(source)[chosen[layer, source]])
    return tuple(path)
