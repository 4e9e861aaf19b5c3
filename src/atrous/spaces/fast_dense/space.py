"""The space of compact decoders over four maps of a backbone (Nekrasov et al. 2019, FastDenseNAS).

A decoder has blocks and one cell. A block joins two maps of the pool, each behind a cell of its own
weights; what it gives joins the pool. A cell has an operation on its input, then layers of two
operations each, on any two of the maps made so far, which are added. With 3 blocks and 3 layers:
(4 * 5 * 6)^2 * 11^7 * (2 * 5 * 8)^2 = 1,795,937,679,360,000 genotypes. The released sampler never
offers a layer the newest map, and so cannot reach the published `arch1`; this grammar does.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import permutations, product
from typing import TYPE_CHECKING

from atrous.core.architecture import Cost, Genotype
from atrous.core.drawing import Shapes, stacked
from atrous.core.errors import AtrousError
from atrous.core.grammar import Independent
from atrous.core.records import parse
from atrous.spaces.fast_dense.cell import (
    NONE,
    OPERATIONS,
    Cell,
    canonical_cell,
    cell_cost,
    cell_lines,
    drawn_cell,
)
from atrous.spaces.space import Shape, Space, stand_in, units_cost
from atrous.spaces.wiring import BOTH, PLAIN, Box, Diagram, Joint

if TYPE_CHECKING:
    from atrous.networks.pyramid import Part

NAME = "fast_dense"
STRIDES = (4, 8, 16, 32)
"""The strides of the maps that the pool begins with."""


Connection = tuple[int, int]
"""The two maps of the pool that a block joins."""


@dataclass(frozen=True)
class Design:
    """Connections of blocks, and the cell that all of them use."""

    connections: tuple[Connection, ...]
    cell: Cell

    @property
    def loose(self) -> tuple[int, ...]:
        """The blocks that no other reads: their results are the decoder's."""
        read = {number for connection in self.connections for number in connection}
        count = len(self.connections)
        return tuple(k for k in range(count) if len(STRIDES) + k not in read)


def decisions(blocks: int, layers: int) -> Iterator[tuple[str, int]]:
    """The names of all decisions with the numbers of their choices: connections first, then the
    cell, as the published controller decides."""
    for block, side in product(range(blocks), range(2)):
        yield f"block {block} input {side}", len(STRIDES) + block
    yield "cell: first operation", len(OPERATIONS)
    for layer in range(layers):
        for what, count in (("input", 3 * layer + 2), ("operation", len(OPERATIONS))):
            yield from ((f"cell layer {layer + 1}: {what} {side}", count) for side in range(2))


PUBLISHED = {
    "arch0": "[[8, [0,0,5,2], [0,2,8,8], [0,5,1,4]], [[3,3], [3,2], [3,0]]]",
    "arch1": "[[2, [1,0,3,6], [0,1,2,8], [2,0,6,1]], [[2,3], [3,1], [4,4]]]",
    "arch2": "[[5, [0,0,4,1], [3,2,0,1], [5,6,5,0]], [[1,3], [4,3], [2,2]]]",
}
"""The published decoders, as their authors write them: a cell, then the connections of blocks."""


def fast_dense(blocks: int = 3, layers: int = 3, repeats: int = 1) -> Space:
    """The space of decoders with so many blocks, and layers in the cell, whose separable
    convolutions are stacked `repeats` times: once in the paper's search, twice in its networks."""
    sizes = (blocks, layers, repeats)
    names, counts = zip(*decisions(blocks, layers), strict=True)
    known = {name: read_genotype(text) for name, text in PUBLISHED.items()}
    return Space(
        name=NAME if sizes == (3, 3, 1) else f"{NAME}-{blocks}x{layers}x{repeats}",
        title=f"compact decoders of {blocks} blocks with a cell of {layers} layers "
        "(Nekrasov et al. 2019)",
        rules=Independent(counts),
        canonical=lambda genotype: canonical(genotype, blocks),
        canonical_on=lambda genotype, strides: canonical_on(genotype, strides, blocks),
        build=lambda genotype, channels, filters: build(
            decode(genotype, blocks), channels, filters, repeats
        ),
        cost=lambda genotype, maps, filters: decoder_cost(
            decode(genotype, blocks), maps, filters, repeats
        ),
        decision=names.__getitem__,
        reads=reads,
        reads_of=lambda genotype, strides: reads_of(decode(genotype, blocks), strides),
        sketch=lambda genotype: sketch(decode(genotype, blocks)),
        shapes=lambda genotype: drawn(decode(genotype, blocks)),
        published=known if (blocks, layers) == (3, 3) else {},
        likened=likened(blocks, layers),
        auxiliary=True,
    )


def likened(blocks: int, layers: int) -> dict[str, Genotype]:
    """The decoders that come nearest to well-known ones, by the names of these. Blocks join the
    deepest map with one finer map after another: with 1x1 convolutions behind each, as a feature
    pyramid does, or with two of 3x3, as a U-Net."""
    steps = tuple((len(STRIDES) - 1 + k, max(len(STRIDES) - 2 - k, 0)) for k in range(blocks))
    nothing = ((0, NONE), (0, NONE))
    plain = Cell(0, (nothing,) * layers)
    twice = Cell(1, (((1, 1), (0, NONE)), *(nothing,) * (layers - 1)))
    return {"fpn": encode(Design(steps, plain)), "unet": encode(Design(steps, twice))}


def decode(genotype: Genotype, blocks: int = 3) -> Design:
    """The decoder that a genotype spells."""
    pairs = genotype[: 2 * blocks]
    first, *rest = genotype[2 * blocks :]
    layers = [((p, o), (q, r)) for p, q, o, r in zip(*(rest[k::4] for k in range(4)), strict=True)]
    return Design(tuple(zip(pairs[::2], pairs[1::2], strict=True)), Cell(first, tuple(layers)))


def encode(decoder: Design) -> Genotype:
    """The genotype of a decoder."""
    pairs = (number for connection in decoder.connections for number in connection)
    slots = ((p, q, o, r) for (p, o), (q, r) in decoder.cell.layers)
    return (*pairs, decoder.cell.first, *(number for layer in slots for number in layer))


def read_genotype(text: str) -> Genotype:
    """The genotype in its authors' form, [cell, connections], of 3 blocks and 3 layers.

    Raises `AtrousError` that says what was expected.
    """
    try:
        (first, *layers), connections = parse(text)
        cell = Cell(first, tuple(((p, o), (q, r)) for p, q, o, r in layers))
        genotype = encode(Design(tuple((a, b) for a, b in connections), cell))
        if not all(type(number) is int for number in genotype) or len(genotype) != 19:
            raise ValueError("it has other parts")
    except (ValueError, TypeError) as error:
        raise AtrousError(
            f"Expected a decoder such as {PUBLISHED['arch0']}: an operation and three layers of "
            f"two maps and two operations, then three connections. ({error})"
        ) from error
    return genotype


def write_genotype(genotype: Genotype) -> str:
    """The genotype in its authors' form, [cell, connections]."""
    decoder = decode(genotype)
    layers = [[p, q, o, r] for (p, o), (q, r) in decoder.cell.layers]
    return json.dumps([[decoder.cell.first, *layers], [list(c) for c in decoder.connections]])


@lru_cache(maxsize=1 << 16)
def canonical(genotype: Genotype, blocks: int = 3) -> Genotype:
    """One genotype for those that differ in the order of things, or in what does not count.

    Joined are the two inputs of a block and the two slots of a layer in either order; blocks, and
    layers, in any order that lets each read what it reads; operations whose result reaches nothing;
    maps that are the same sum. Not joined: the first operation exchanged with one of a layer, and
    decoders that coincide on small maps.
    """
    decoder = decode(genotype, blocks)
    return encode(Design(_ordered(decoder.connections), canonical_cell(decoder.cell)))


def canonical_on(genotype: Genotype, strides: Collection[int], blocks: int = 3) -> Genotype:
    """The canonical form where some of the strides stand for others: maps that are the same one,
    each with an adapter, may be exchanged."""
    forms = []
    for order in _exchanges(tuple(strides)):
        pairs = (order[k] if k < len(STRIDES) else k for k in genotype[: 2 * blocks])
        forms.append(canonical((*pairs, *genotype[2 * blocks :]), blocks))
    return min(forms)


@cache
def _exchanges(strides: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The orders of the maps in which each is the same one as before."""
    stands = [stand_in(stride, strides) for stride in STRIDES]
    orders = permutations(range(len(STRIDES)))
    return [order for order in orders if [stands[number] for number in order] == stands]


@lru_cache(maxsize=1 << 16)
def _ordered(connections: tuple[Connection, ...]) -> tuple[Connection, ...]:
    """The connections in the least of their orders that let each block read what it reads."""
    maps, found = len(STRIDES), []
    for order in permutations(range(len(connections))):
        place = {maps + old: maps + new for new, old in enumerate(order)}
        renamed = [
            (place.get(a, a), place.get(b, b)) for a, b in (connections[old] for old in order)
        ]
        if all(max(pair) < maps + number for number, pair in enumerate(renamed)):
            found.append(tuple((min(pair), max(pair)) for pair in renamed))
    return min(found)


def reads(strides: Collection[int]) -> tuple[int, ...]:
    """Of the strides that there are those that stand for `STRIDES`."""
    return tuple(sorted({stand_in(stride, strides) for stride in STRIDES}))


def reads_of(decoder: Design, strides: Collection[int]) -> tuple[int, ...]:
    """The strides of the backbone's maps that some block reads."""
    return tuple(sorted({stand_in(STRIDES[number], strides) for number in adapted(decoder)}))


def strides_of(decoder: Design, strides: Collection[int]) -> list[int]:
    """The stride of every map of the pool, the results of blocks last: a block's is the finer of
    its inputs'."""
    pool = [stand_in(stride, strides) for stride in STRIDES]
    for one, other in decoder.connections:
        pool.append(min(pool[one], pool[other]))
    return pool


def adapted(decoder: Design) -> tuple[int, ...]:
    """The maps of the backbone that some block reads."""
    read = {number for connection in decoder.connections for number in connection}
    return tuple(number for number in range(len(STRIDES)) if number in read)


def decoder_cost(
    decoder: Design,
    maps: Mapping[int, Shape],
    filters: int,
    repeats: int = 1,
    adapters: Collection[int] | None = None,
) -> Cost:
    """The cost of a decoder on maps (channels, height, width) by stride, without class scores.

    What reaches nothing is not built and does not count. The published counts are with the
    `adapters` of all four maps, read or not.
    """
    pool = strides_of(decoder, maps)
    positions = [maps[stride][1] * maps[stride][2] for stride in pool]
    read = [number for connection in decoder.connections for number in connection]
    units = [
        (maps[pool[number]][0] * filters, filters, positions[number])
        for number in (adapted(decoder) if adapters is None else adapters)
    ]
    units += [(filters * filters, filters, positions[number]) for number in read]
    loose = decoder.loose
    finest = max(positions[len(STRIDES) + block] for block in loose)
    units.append((len(loose) * filters * filters, filters, finest))
    cells = (cell_cost(decoder.cell, filters, repeats, positions[number]) for number in read)
    return sum(cells, units_cost(units))


def sketch(decoder: Design) -> str:
    """The decoder in plain text."""
    names = [f"stride {stride}" for stride in STRIDES]
    lines = []
    for number, (one, other) in enumerate(decoder.connections):
        lines.append(f"block {number}: cell({names[one]}) + cell({names[other]})")
        names.append(f"block {number}")
    lines.append(f"joined: {', '.join(f'block {k}' for k in decoder.loose)}")
    return "\n".join((*lines, *cell_lines(decoder.cell)))


GAP = 30


def drawn(decoder: Design) -> Shapes:
    """The blocks on the maps of the backbone, above the cell that stands on either side of each."""
    strides, cell = tuple(f"stride {stride}" for stride in STRIDES), PLAIN
    joints = (
        Joint(tuple(Box((number, BOTH), ("cell",), cell) for number in connection))
        for connection in decoder.connections
    )
    ends = ((len(STRIDES) + block, BOTH) for block in decoder.loose)
    blocks = Diagram(strides, tuple(joints), tuple(ends))
    return stacked(blocks.shapes(), drawn_cell(decoder.cell).shapes(), GAP)


def build(decoder: Design, channels: Mapping[int, int], filters: int, repeats: int) -> Part:
    """The decoder as a part that reads maps of `channels` by stride."""
    from atrous.spaces.fast_dense.module import CompactDecoder

    return CompactDecoder(decoder, channels, filters, repeats)
