"""Small and published networks of Auto-DeepLab."""

from __future__ import annotations

from random import Random

from torch import nn

from atrous.networks.network import Network
from atrous.spaces.auto_deeplab.aspp import DenseAspp, DenseDecoder
from atrous.spaces.auto_deeplab.cell import GIVEN, OPERATIONS, Block, Edge, Operation, RepeatedCell
from atrous.spaces.auto_deeplab.trellis import LayerPlan, Path, exits
from atrous.spaces.auto_deeplab.trunk import Layer, Trunk
from atrous.tasks.segmentation.probabilities import class_scores

PUBLISHED_PATH: Path = (0, 0, 0, 1, 2, 1, 2, 2, 3, 3, 2, 1)
PUBLISHED_CELL: RepeatedCell = (
    Block(Edge(0, Operation.SEPARABLE_3), Edge(1, Operation.ATROUS_5)),
    Block(Edge(0, Operation.ATROUS_3), Edge(1, Operation.SEPARABLE_3)),
    Block(Edge(1, Operation.SEPARABLE_3), Edge(3, Operation.SEPARABLE_3)),
    Block(Edge(2, Operation.SEPARABLE_5), Edge(4, Operation.SEPARABLE_5)),
    Block(Edge(3, Operation.SEPARABLE_5), Edge(5, Operation.ATROUS_5)),
)


def random_cell(rng: Random, blocks: int) -> RepeatedCell:
    """A cell of any states and operations."""
    return tuple(_block(rng, number) for number in range(blocks))


def _block(rng: Random, number: int) -> Block:
    first, second = sorted(rng.sample(range(number + GIVEN), 2))
    return Block(Edge(first, rng.choice(OPERATIONS)), Edge(second, rng.choice(OPERATIONS)))


def random_path(rng: Random, layers: int) -> Path:
    """A walk over the levels."""
    path: list[int] = []
    for _ in range(layers):
        path.append(rng.choice(exits(path[-1] if path else 0)))
    return tuple(path)


def whole(path: Path, cell: RepeatedCell, filters: int, classes: int = 19) -> Network:
    """Trunk, ASPP, decoder and class scores."""
    trunk = Trunk(path, cell, filters)
    part = DenseAspp(trunk.channels, filters)
    decoder = DenseDecoder(trunk.channels, part, filters)
    return Network(trunk, part, class_scores(part.channels, classes), decoder).eval()


def parameters(module: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(parameter.numel() for parameter in module.parameters())


def layer_of(
    cell: RepeatedCell, x: int, y: int, filters: int, move: int, fits: bool = False
) -> Layer:
    """A layer that reads maps of so many channels, the second of another size unless it `fits`."""
    level = 1 + min(move, 0) + (not fits)
    return Layer(cell, LayerPlan(x, y, 1, level, filters, move))
