"""The space of Auto-DeepLab: a path through four resolutions, and a cell repeated along it (Liu et
al. 2019, section 3).

A network has L layers after a stem that ends at stride 4. Each layer works at stride 4, 8, 16 or
32, at that of the layer before, at half or at twice of it; and each has the same cell of B blocks,
which reads the two layers before. A genotype spells the path, one decision a layer: which of the
levels within reach, the finest first. Then it spells the cell, three decisions a block: which two
states it reads (a place in the lexicographic list of pairs), and the operation on each.

With L = 12 and B = 5 there are 75,025 paths. The paper prints 2.9e4, which is 28,657: the first
layer fixed at stride 4, against its own text. There are 762,683,172,300 cells, as many as decoding
can give: two different states for each block, seven operations. The paper counts 5.6e14, which is
556,627,761,561,600: ordered pairs of states that may be equal, and an eighth operation, `none`.

`Space.sample` draws ranks, so it is exactly uniform over architectures, and as each path has as
many cells as any other, over paths. A walk that draws one level after another is not: it stays at
stride 4 all along once in 2^12 = 4,096 draws, and goes to stride 8 and then stays there once in
2 * 3^11 = 354,294, where each should come once in 75,025.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

from atrous.core.architecture import Architecture, Cost, Genotype
from atrous.core.errors import AtrousError
from atrous.spaces.auto_deeplab.cell import (
    BLOCKS,
    GIVEN,
    OPERATIONS,
    Block,
    Edge,
    Operation,
    RepeatedCell,
    in_order,
)
from atrous.spaces.auto_deeplab.cost import network_cost_of
from atrous.spaces.auto_deeplab.trellis import (
    LAYERS,
    LEVELS,
    STRIDES,
    Path,
    exits,
    is_path,
    network_text,
)
from atrous.spaces.space import IMAGE, OwnEncoder, Shape, Space

if TYPE_CHECKING:
    from atrous.networks.network import Encoder
    from atrous.networks.pyramid import Part, Refinement

NAME, PLAIN = "auto_deeplab", "plain"
PER_BLOCK = 3
MOST_LAYERS, MOST_BLOCKS = 99, 7

PUBLISHED_PATH: Path = (0, 0, 0, 1, 2, 1, 2, 2, 3, 3, 2, 1)
PUBLISHED_CELL: RepeatedCell = (
    Block(Edge(0, Operation.SEPARABLE_3), Edge(1, Operation.ATROUS_5)),
    Block(Edge(0, Operation.ATROUS_3), Edge(1, Operation.SEPARABLE_3)),
    Block(Edge(1, Operation.SEPARABLE_3), Edge(3, Operation.SEPARABLE_3)),
    Block(Edge(2, Operation.SEPARABLE_5), Edge(4, Operation.SEPARABLE_5)),
    Block(Edge(3, Operation.SEPARABLE_5), Edge(5, Operation.ATROUS_5)),
)
"""The network found on Cityscapes (Liu et al. 2019, figure 3), as the authors released it."""


@dataclass(frozen=True)
class Decoded:
    """The path and the cell of a genotype."""

    path: Path
    cell: RepeatedCell


@dataclass(frozen=True)
class PathAndCellRules:
    """The path's decisions, then the cell's. The state is (decisions taken, level of the last
    layer); the level is 0 again once the path is complete, for the cell does not depend on it."""

    layers: int
    blocks: int
    start: tuple[int, int] = (0, 0)

    def choices(self, state: tuple[int, int]) -> int:
        """How many choices the next decision has."""
        taken, level = state
        if taken < self.layers:
            return len(exits(level))
        block, part = divmod(taken - self.layers, PER_BLOCK)
        if block == self.blocks:
            return 0
        return len(OPERATIONS) if part else comb(block + GIVEN, 2)

    def step(self, state: tuple[int, int], choice: int) -> tuple[int, int]:
        """The state after one more decision."""
        taken, level = state
        goes_on = taken + 1 < self.layers
        return taken + 1, exits(level)[choice] if goes_on else 0


def auto_deeplab(layers: int = LAYERS, blocks: int = BLOCKS) -> Space:
    """The space of networks with `layers` layers whose cell has `blocks` blocks; raises
    `AtrousError` unless 2 to 99 layers and 1 to 7 blocks."""
    if not (2 <= layers <= MOST_LAYERS and 1 <= blocks <= MOST_BLOCKS):
        raise AtrousError(
            f"Expected 2 to {MOST_LAYERS} layers and a cell of 1 to {MOST_BLOCKS} blocks, got "
            f"{layers} and {blocks}."
        )
    known = {PLAIN: plain(layers, blocks)}
    if (layers, blocks) == (LAYERS, BLOCKS):
        known["published"] = encode(PUBLISHED_PATH, PUBLISHED_CELL)
    return Space(
        name=_name(layers, blocks),
        title=f"paths of {layers} layers with a cell of {blocks} blocks (Liu et al. 2019)",
        rules=PathAndCellRules(layers, blocks),
        canonical=partial(canonical, layers=layers),
        build=build,
        cost=partial(cost, layers=layers),
        decision=partial(decision, layers=layers),
        encoder=OwnEncoder(partial(encoder, layers=layers), STRIDES[-1]),
        decoder=decoder,
        sketch=partial(sketch, layers=layers),
        published=known,
    )


def plain(layers: int, blocks: int) -> Genotype:
    """The network to compare with: the path of DeepLabv3 (Liu et al. 2019, figure 2a), down to
    stride 16 and on from there, and separable 3x3 convolutions of the two layers before."""
    block = Block(Edge(0, Operation.SEPARABLE_3), Edge(1, Operation.SEPARABLE_3))
    return encode((1, *[2] * (layers - 1)), (block,) * blocks)


def _name(layers: int, blocks: int) -> str:
    if blocks != BLOCKS:
        return f"{NAME}-{layers}x{blocks}"
    return NAME if layers == LAYERS else f"{NAME}-{layers}"


def layers_of(space: str) -> int:
    """How many layers the space of this name has."""
    extent = space.partition("-")[2]
    return int(extent.partition("x")[0]) if extent else LAYERS


def decoded(architecture: Architecture) -> Decoded:
    """The path and the cell of an architecture; raises `AtrousError` for one of another family of
    spaces."""
    if architecture.family != NAME:
        raise AtrousError(
            f"Expected a network such as {NAME}:published, got {str(architecture)[:80]}."
        )
    return decode(architecture.genotype, layers_of(architecture.space))


def decode(genotype: Genotype, layers: int = LAYERS) -> Decoded:
    """The path and the cell that a genotype spells."""
    path: list[int] = []
    for choice in genotype[:layers]:
        path.append(exits(path[-1] if path else 0)[choice])
    rest = genotype[layers:]
    triples = zip(rest[::PER_BLOCK], rest[1::PER_BLOCK], rest[2::PER_BLOCK], strict=True)
    return Decoded(tuple(path), tuple(_block(number, *t) for number, t in enumerate(triples)))


def _block(number: int, pair: int, first: int, second: int) -> Block:
    low, high = pairs(number)[pair]
    return Block(Edge(low, OPERATIONS[first]), Edge(high, OPERATIONS[second]))


def encode(path: Path, cell: RepeatedCell) -> Genotype:
    """The genotype of a path and a cell; raises `AtrousError` for one outside the space."""
    if not is_path(path):
        raise AtrousError(
            f"Expected levels from 0 to {LEVELS[-1]}, each at most 1 from the one before and the "
            f"first 0 or 1, got {'.'.join(map(str, path)) or 'none'}."
        )
    before = (0, *path)
    moves = (exits(last).index(level) for last, level in zip(before, path, strict=False))
    return (*moves, *(d for number, block in enumerate(cell) for d in _decisions(number, block)))


def _decisions(number: int, block: Block) -> tuple[int, int, int]:
    states = (block.first.state, block.second.state)
    if states not in pairs(number):
        raise AtrousError(
            f"Block {number}: expected two different states of 0 .. {number + GIVEN - 1}, the "
            f"smaller first, got {states[0]} and {states[1]}."
        )
    first, second = (OPERATIONS.index(edge.operation) for edge in (block.first, block.second))
    return pairs(number).index(states), first, second


@lru_cache(maxsize=MOST_BLOCKS)
def pairs(block: int) -> tuple[tuple[int, int], ...]:
    """The pairs of states that a block can read, in the order that genotypes count in."""
    return tuple(combinations(range(block + GIVEN), 2))


@lru_cache(maxsize=1 << 16)  # a strategy asks for the whole history at each proposal
def canonical(genotype: Genotype, layers: int = LAYERS) -> Genotype:
    """One genotype for all that differ by the order of their blocks."""
    spelt = decode(genotype, layers)
    return encode(spelt.path, in_order(spelt.cell))


def decision(position: int, layers: int = LAYERS) -> str:
    """The name of a decision."""
    if position < layers:
        return f"layer {position} level"
    block, part = divmod(position - layers, PER_BLOCK)
    return f"block {block} {('states', 'first operation', 'second operation')[part]}"


def sketch(genotype: Genotype, layers: int = LAYERS) -> str:
    """The path and the cell in plain text."""
    spelt = decode(genotype, layers)
    return network_text(spelt.path, spelt.cell)


def encoder(genotype: Genotype, filters: int, layers: int = LAYERS) -> Encoder:
    """Stem and layers: from images [B, 3, H, W] to a map per stride."""
    from atrous.spaces.auto_deeplab.trunk import Trunk

    spelt = decode(genotype, layers)
    return Trunk(spelt.path, spelt.cell, filters)


def build(genotype: Genotype, channels: Mapping[int, int], filters: int) -> Part:  # noqa: ARG001 (all are alike)
    """Dense atrous spatial pyramid pooling of the deepest map."""
    from atrous.spaces.auto_deeplab.aspp import DenseAspp

    return DenseAspp(channels, filters)


def decoder(channels: Mapping[int, int], part: Part, filters: int) -> Refinement:
    """The decoder of DeepLabv3+ with dense convolutions."""
    from atrous.spaces.auto_deeplab.aspp import DenseDecoder

    return DenseDecoder(channels, part, filters)


def cost(genotype: Genotype, maps: Mapping[int, Shape], filters: int, layers: int = LAYERS) -> Cost:
    """The cost of encoder and pyramid pooling on an image."""
    _, height, width = maps[IMAGE]
    spelt = decode(genotype, layers)
    return network_cost_of(spelt.path, spelt.cell, filters, (height, width))
