"""The relaxed network: all cells on all paths at once (Liu et al. 2019, section 4.1)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from atrous.core.errors import AtrousError
from atrous.networks.network import pad_to_canvas
from atrous.relax.gates import Choices, Groups
from atrous.relax.relaxation import RelaxedNetwork
from atrous.spaces.auto_deeplab.cell import edges
from atrous.spaces.auto_deeplab.relaxation.cell import Arrival, Node, NodePass, RelaxedCell
from atrous.spaces.auto_deeplab.relaxation.layers import Head, Output, SearchStem
from atrous.spaces.auto_deeplab.relaxation.mixture import (
    CHOICES,
    Mixture,
    contrast,
    groups_of,
    mixture_of,
    uses,
)
from atrous.spaces.auto_deeplab.trellis import (
    LEVELS,
    STRIDES,
    Arrow,
    arrows,
    levels_at,
    stem_widths,
)
from atrous.tasks import USUAL
from atrous.tasks.task import Task

FIRST_SCALE = 1e-3
"""Standard deviation of alpha and beta at the start."""


@dataclass(frozen=True)
class SupernetSize:
    """Says how large a relaxed network is: so many layers, blocks a cell, F ("filters") and
    classes: 12, 5, 8 and 19 as published (Liu et al. 2019, section 4.1)."""

    layers: int
    blocks: int
    filters: int
    classes: int

    def channels(self, level: int) -> int:
        """Of a block at a level: F * stride / 4."""
        return self.filters << level

    def width(self, level: int) -> int:
        """The channels of a layer's output at a level: those of its blocks together."""
        return self.blocks * self.channels(level)


class Supernet(RelaxedNetwork):
    """Stem, a node for each layer and level, and a head that sums the scores of all levels.

    `alpha` [edges, 8], in the order of `cell.edges`, operations then `NONE`, is shared by
    all cells; `beta` [arrows] is in the order of `trellis.arrows`.

    The output of layer l - 2 that a cell at level t reads is the one at t. Where that is not there,
    it is the one at the nearest level, the finer of two; at the start the stem's, of stride 2 for
    the first layer, of stride 4 for the second. The authors said by letter that they took the
    tensor of the most similar size. Nodes that no arrow leads to are not computed.
    """

    def __init__(self, size: SupernetSize, checkpointing: bool = False, task: Task = USUAL) -> None:
        super().__init__()
        self.size, self.checkpointing = size, checkpointing
        alpha = torch.randn(len(edges(size.blocks)), CHOICES)
        self.alpha = nn.Parameter(FIRST_SCALE * alpha)
        self.beta = nn.Parameter(FIRST_SCALE * torch.randn(len(list(arrows(size.layers)))))
        self.stem = SearchStem(size.filters)
        self.nodes = nn.ModuleDict(
            {
                _name(layer, level): _node(size, layer, level)
                for layer in range(size.layers)
                for level in levels_at(layer)
            }
        )
        last = levels_at(size.layers - 1)
        self.head = Head({level: size.width(level) for level in last}, size.classes, task)

    def architecture(self) -> list[nn.Parameter]:
        """Returns alpha and beta."""
        return [self.alpha, self.beta]

    def groups(self) -> Groups:
        """Returns alpha as one group, beta as another."""
        return groups_of(self.alpha, self.beta, self.size.layers)

    def mixture(self, choices: Choices) -> Mixture:
        """Returns what a gate's choices mean here."""
        return mixture_of(choices, self.size.layers)

    def contrast(self, first: Mixture, second: Mixture, temperature: float) -> Tensor:
        """Returns how much likelier the first path is than the second, as a logarithm."""
        return contrast(self.beta / temperature, self.size.layers, first, second)

    def recomputed(self) -> list[nn.Module]:
        """Returns all cells."""
        return [module for module in self.modules() if isinstance(module, RelaxedCell)]

    def forward(self, images: Tensor, mixture: Mixture) -> Tensor:
        """Images [B, 3, H, W], normalised to [-1, 1] -> logits [B, K, H, W].

        Raises AtrousError where no path of the mixture goes through all layers.
        """
        height, width = images.shape[-2:]
        images = images.contiguous(memory_format=torch.channels_last)
        canvas = pad_to_canvas(images, STRIDES[-1])
        size = (canvas.shape[-2], canvas.shape[-1])
        outputs = self.outputs(canvas, mixture)
        logits: Tensor = self.head(outputs, size)
        return logits[..., :height, :width]

    def outputs(self, canvas: Tensor, mixture: Mixture) -> dict[int, Tensor]:
        """Images of k * 32 + 1 pixels on each axis -> the last layer's maps, by level."""
        context = self._context(canvas, mixture)
        on = _arrows_on(mixture, self.size.layers)
        weights = mixture.arrows.to(self.beta).unbind()
        finer, coarser = self.stem(canvas)
        before, previous = {0: Output(finer)}, {0: Output(coarser)}
        for layer in range(self.size.layers):
            alive: dict[int, Output] = {}
            for level in levels_at(layer):
                arrivals = [
                    Arrival(arrow.source, previous[arrow.source], weights[number])
                    for number, arrow in on
                    if (arrow.layer, arrow.target) == (layer, level) and arrow.source in previous
                ]
                if arrivals:
                    nearest = _nearest(before, level)
                    node = self.nodes[_name(layer, level)]
                    alive[level] = Output(node(arrivals, (nearest, before[nearest]), context))
            if not alive:
                raise AtrousError(
                    f"a mixture must have arrows on that lead from the stem through all "
                    f"{self.size.layers} layers; here none leads into layer {layer}. Turn on the "
                    f"arrows of one path at least."
                )
            # A layer reads two before it; what is older is let go.
            before, previous = previous, alive
        return {level: output.maps for level, output in previous.items()}

    def _context(self, canvas: Tensor, mixture: Mixture) -> NodePass:
        """Returns what all nodes need, with the mixture where the weights are."""
        mixture = replace(mixture, operations=mixture.operations.to(self.alpha))
        height, width = canvas.shape[-2:]
        sizes = [((height - 1) // stride + 1, (width - 1) // stride + 1) for stride in STRIDES]
        asked = [uses(mixture, self.size.blocks, self.size.channels(level)) for level in LEVELS]
        return NodePass(sizes, asked, self.checkpointing)


def _node(size: SupernetSize, layer: int, level: int) -> Node:
    """The node with the projections of all it may read. No path is more than a level away from it
    in the layer before, or two in the one before that."""
    _, second, third = stem_widths(size.filters)
    previous, before = {0: third}, {0: second}
    if layer > 0:
        previous = {u: size.width(u) for u in levels_at(layer - 1) if abs(u - level) <= 1}
        before = {0: third}
    if layer > 1:
        before = {u: size.width(u) for u in levels_at(layer - 2) if abs(u - level) <= 2}
    return Node(size.blocks, size.channels(level), level, previous, before)


def _arrows_on(mixture: Mixture, layers: int) -> list[tuple[int, Arrow]]:
    """The arrows that are on, with their numbers."""
    numbered = enumerate(arrows(layers))
    return [(number, arrow) for number, arrow in numbered if mixture.arrows_on[number]]


def _nearest(levels: Collection[int], level: int) -> int:
    """The nearest of some levels, of two the finer."""
    return min(levels, key=lambda other: (abs(other - level), other))


def _name(layer: int, level: int) -> str:
    return f"{layer}_{level}"
