"""The space of compact decoders over four maps of a backbone (Nekrasov et al. 2019, FastDenseNAS).

A decoder has blocks and one cell. A block joins two maps of the pool, each behind a cell of its own
weights; what it gives joins the pool. A cell has an operation on its input, then layers of two
operations each, on any two of the maps made so far, which are added. With 3 blocks and 3 layers:
(4 * 5 * 6)^2 * 11^7 * (2 * 5 * 8)^2 = 1,795,937,679,360,000 genotypes. The released sampler never
offers a layer the newest map, and so cannot reach the published `arch1`; this grammar does.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations, product
from typing import TYPE_CHECKING

from atrous.core.architecture import Cost, Genotype
from atrous.core.drawing import Shapes, stacked
from atrous.core.errors import AtrousError
from atrous.core.records import parse
from atrous.core.words import TIMES
from atrous.spaces.space import Shape, Space
from atrous.spaces.wiring import BOTH, NOTHING, PLAIN, POOLED, WIDE, Box, Diagram, Joint, Place

if TYPE_CHECKING:
    from atrous.networks.pyramid import Part

NAME = "fast_dense"
STRIDES = (4, 8, 16, 32)
"""The strides of the maps that the pool begins with."""


@dataclass(frozen=True)
class CellOperation:
    """A convolution of `kernel` x `kernel` at an atrous `rate`, separable or dense, or one of the
    mean over the whole map (`pooled`); without a kernel, nothing is computed."""

    name: str
    kernel: int = 0
    rate: int = 1
    separable: bool = False
    pooled: bool = False


OPERATIONS = (
    CellOperation("conv 1x1", 1),
    CellOperation("conv 3x3", 3),
    CellOperation("separable 3x3", 3, separable=True),
    CellOperation("separable 5x5", 5, separable=True),
    CellOperation("global pooling", 1, pooled=True),
    CellOperation("conv 3x3 rate 3", 3, 3),
    CellOperation("conv 3x3 rate 12", 3, 12),
    CellOperation("separable 3x3 rate 3", 3, 3, separable=True),
    CellOperation("separable 5x5 rate 6", 5, 6, separable=True),
    CellOperation("skip"),
    CellOperation("none"),
)
SKIP, NONE = 9, 10

INPUT = -1
"""The term that stands for the input of a cell."""
Terms = tuple[int, ...]
"""A sum: the numbers of the operations whose results are added, as often as they are."""
Slot = tuple[int, int]
"""The map that an operation reads, and the operation."""
Connection = tuple[int, int]
"""The two maps of the pool that a block joins."""


@dataclass(frozen=True)
class Cell:
    """The operation on the input, and the two slots of each layer.

    Maps are counted: 0 is the input, 1 the first result; layer j = 1, 2, .. adds the results of its
    slots, 3j - 1 and 3j, and their sum, 3j + 1.
    """

    first: int
    layers: tuple[tuple[Slot, Slot], ...]


@dataclass(frozen=True)
class Wiring:
    """The sum that each operation of a cell reads, and the one that the cell gives.

    Operations are counted in order: 0 is the first, layer j has 2j - 1 and 2j. Only those are
    here whose results reach the output. `none` gives an empty sum, `skip` that which it reads.
    """

    inputs: dict[int, Terms]
    output: Terms


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


@dataclass(frozen=True)
class DecoderRules:
    """Connections first, then the cell, as the published controller decides.

    The state is the number of decisions taken; how many choices one has depends on nothing else.
    """

    blocks: int
    layers: int
    start: int = 0

    def choices(self, state: int) -> int:
        """How many choices decision number `state` has."""
        if state < 2 * self.blocks:
            return len(STRIDES) + state // 2
        layer, decision = divmod(state - 2 * self.blocks - 1, 4)
        if layer < 0:
            return len(OPERATIONS)
        if layer == self.layers:
            return 0
        return 3 * layer + 2 if decision < 2 else len(OPERATIONS)

    def step(self, state: int, choice: int) -> int:  # noqa: ARG002 (the choices are independent)
        """The number of decisions taken after one more."""
        return state + 1

    def name(self, position: int) -> str:
        """The name of a decision."""
        if position < 2 * self.blocks:
            return f"block {position // 2} input {position % 2}"
        layer, decision = divmod(position - 2 * self.blocks - 1, 4)
        if layer < 0:
            return "cell: first operation"
        return f"cell layer {layer + 1}: {'input' if decision < 2 else 'operation'} {decision % 2}"


PUBLISHED = {
    "arch0": "[[8, [0,0,5,2], [0,2,8,8], [0,5,1,4]], [[3,3], [3,2], [3,0]]]",
    "arch1": "[[2, [1,0,3,6], [0,1,2,8], [2,0,6,1]], [[2,3], [3,1], [4,4]]]",
    "arch2": "[[5, [0,0,4,1], [3,2,0,1], [5,6,5,0]], [[1,3], [4,3], [2,2]]]",
}
"""The published decoders, as their authors write them: a cell, then the connections of blocks."""


def fast_dense(blocks: int = 3, layers: int = 3, repeats: int = 1) -> Space:
    """The space of decoders with so many blocks, and layers in the cell, whose separable
    convolutions are stacked `repeats` times: once in the paper's search, twice in its networks.

    Raises `AtrousError` unless there are 1 to 9 of each.
    """
    sizes = (blocks, layers, repeats)
    if not all(1 <= size <= 9 for size in sizes):
        raise AtrousError(
            f"Expected 1 to 9 blocks, layers and repeats, as {NAME}-3x3x2, got {sizes}."
        )
    rules = DecoderRules(blocks, layers)
    known = {name: read_genotype(text) for name, text in PUBLISHED.items()}
    return Space(
        name=NAME if sizes == (3, 3, 1) else f"{NAME}-{blocks}x{layers}x{repeats}",
        title=f"compact decoders of {blocks} blocks with a cell of {layers} layers "
        "(Nekrasov et al. 2019)",
        rules=rules,
        canonical=lambda genotype: canonical(genotype, blocks),
        canonical_on=lambda genotype, strides: canonical_on(genotype, strides, blocks),
        build=lambda genotype, channels, filters: build(
            decode(genotype, blocks), channels, filters, repeats
        ),
        cost=lambda genotype, maps, filters: decoder_cost(
            decode(genotype, blocks), maps, filters, repeats
        ),
        decision=rules.name,
        reads=reads,
        reads_of=lambda genotype, strides: reads_of(decode(genotype, blocks), strides),
        sketch=lambda genotype: sketch(decode(genotype, blocks)),
        shapes=lambda genotype: drawn(decode(genotype, blocks)),
        published=known if (blocks, layers) == (3, 3) else {},
        auxiliary=True,
    )


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


def slots_of(cell: Cell) -> list[Slot]:
    """Every operation with the map that it reads, in order."""
    return [(0, cell.first), *(slot for layer in cell.layers for slot in layer)]


def wiring(cell: Cell) -> Wiring:
    """The sums of the cell.

    Its output is the sum of the first result and the layers' sums, but for those that something
    reads: `none` reads too, so that it can hide a map.
    """
    return _wiring(cell, _values(cell))


def _values(cell: Cell) -> list[Terms]:
    """The sum that each map of the cell is."""
    values: list[Terms] = [(INPUT,)]
    for number, (source, operation) in enumerate(slots_of(cell)):
        values.append(_result(number, operation, values[source]))
        if number and number % 2 == 0:
            values.append(tuple(sorted(values[-2] + values[-1])))
    return values


def _wiring(cell: Cell, values: list[Terms]) -> Wiring:
    slots = slots_of(cell)
    read = {source for source, _ in slots[1:]}
    collected = (values[k] for k in range(1, len(values), 3) if k not in read)
    output = tuple(sorted(term for terms in collected for term in terms))
    return Wiring(_live([values[source] for source, _ in slots], output), output)


def _result(number: int, operation: int, given: Terms) -> Terms:
    if operation == NONE:
        return ()
    return given if operation == SKIP else (number,)


def _live(inputs: Sequence[Terms], output: Terms) -> dict[int, Terms]:
    """The operations that the output depends on."""
    live, waiting = set[int](), set(output)
    while waiting := {term for term in waiting if term != INPUT and term not in live}:
        live |= waiting
        waiting = {term for number in waiting for term in inputs[number]}
    return {number: inputs[number] for number in sorted(live)}


@lru_cache(maxsize=1 << 16)
def canonical(genotype: Genotype, blocks: int = 3) -> Genotype:
    """One genotype for those that differ in the order of things, or in what does not count.

    Joined are the two inputs of a block and the two slots of a layer in either order; blocks, and
    layers, in any order that lets each read what it reads; operations whose result reaches nothing;
    maps that are the same sum. Not joined: the first operation exchanged with one of a layer, and
    decoders that coincide on small maps.
    """
    decoder = decode(genotype, blocks)
    return encode(Design(_ordered(decoder.connections), _canonical_cell(decoder.cell)))


def canonical_on(genotype: Genotype, strides: Collection[int], blocks: int = 3) -> Genotype:
    """The canonical form where some of the strides stand for others: maps that are the same one,
    each with an adapter, may be exchanged."""
    maps = range(len(STRIDES))
    stands = [stand_in(number, strides) for number in maps]
    forms = []
    for order in permutations(maps):
        if [stands[number] for number in order] == stands:
            pairs = (order[k] if k < len(maps) else k for k in genotype[: 2 * blocks])
            forms.append(canonical((*pairs, *genotype[2 * blocks :]), blocks))
    return min(forms)


def _canonical_cell(cell: Cell) -> Cell:
    cell = _simplified(cell)
    if not {operation for _, operation in slots_of(cell)} & {SKIP, NONE}:
        # All sums differ, so that no read could be of an earlier map: arranging is all.
        return min(_arranged(cell), key=_order)
    while (better := min(map(_simplified, _arranged(cell)), key=_order)) != cell:
        cell = better
    return cell


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


def _arranged(cell: Cell) -> Iterator[Cell]:
    """The cell with its layers in every legal order, and the slots of each in both."""
    count = len(cell.layers)
    for order in permutations(range(count)):
        for swaps in product((False, True), repeat=count):
            layers = _renamed(cell, order, swaps)
            if all(max(p, q) < 3 * k + 2 for k, ((p, _), (q, _)) in enumerate(layers)):
                yield Cell(cell.first, layers)


def _renamed(
    cell: Cell, order: tuple[int, ...], swaps: tuple[bool, ...]
) -> tuple[tuple[Slot, Slot], ...]:
    """The layers in an order, those with a swap turned round, and all that read them renamed."""
    place = {}
    for new, old in enumerate(order):
        results = (3, 2, 4) if swaps[old] else (2, 3, 4)
        place.update({3 * old + k: 3 * new + r for k, r in zip((2, 3, 4), results, strict=True)})
    layers = []
    for old in order:
        one, other = ((place.get(p, p), o) for p, o in cell.layers[old])
        layers.append((other, one) if swaps[old] else (one, other))
    return tuple(layers)


def _order(cell: Cell) -> tuple[tuple[int, int], ...]:
    """The order among equal cells: `none` before all, then operations, then maps."""
    return tuple((-1 if o == NONE else o, p) for p, o in slots_of(cell))


def _simplified(cell: Cell) -> Cell:
    """The cell with operations that reach nothing made `none`, and each read of a sum turned to
    the first map that is the same."""
    values = _values(cell)
    wanted = _wiring(cell, values)
    for number in range(len(slots_of(cell))):
        for simpler in _alternatives(cell, number, values, wanted):
            if wiring(simpler) == wanted:
                cell = simpler
                break
    return cell


def _alternatives(cell: Cell, number: int, values: list[Terms], wanted: Wiring) -> Iterator[Cell]:
    """Simpler cells that may compute the same, with another slot `number`, the simplest first."""
    source, operation = slots_of(cell)[number]
    useless = number not in wanted.inputs and operation not in (SKIP, NONE)
    if number == 0:
        if useless:
            yield Cell(NONE, cell.layers)
        return
    if useless or operation == SKIP:
        yield from (_with(cell, number, (p, NONE)) for p in range(_pool(number)))
    for p in range(source):
        if operation == NONE or values[p] == values[source]:
            yield _with(cell, number, (p, operation))


def _pool(number: int) -> int:
    """How many maps there are before the layer of operation `number`."""
    return 3 * ((number + 1) // 2) - 1


def _with(cell: Cell, number: int, slot: Slot) -> Cell:
    layer, side = divmod(number - 1, 2)
    one, other = cell.layers[layer]
    pair = (one, slot) if side else (slot, other)
    return Cell(cell.first, (*cell.layers[:layer], pair, *cell.layers[layer + 1 :]))


def reads(strides: Collection[int]) -> tuple[int, ...]:
    """Of the strides that there are those that stand for `STRIDES`."""
    return tuple(sorted({stand_in(k, strides) for k in range(len(STRIDES))}))


def reads_of(decoder: Design, strides: Collection[int]) -> tuple[int, ...]:
    """The strides of the backbone's maps that some block reads."""
    return tuple(sorted({stand_in(number, strides) for number in adapted(decoder)}))


def stand_in(number: int, strides: Collection[int]) -> int:
    """The stride of map `number` of the pool: the first from its own on, or the largest."""
    return min((s for s in strides if s >= STRIDES[number]), default=max(strides))


def strides_of(decoder: Design, strides: Collection[int]) -> list[int]:
    """The stride of every map of the pool, the results of blocks last: a block's is the finer of
    its inputs'."""
    pool = [stand_in(number, strides) for number in range(len(STRIDES))]
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
    cost = Cost(0, 0)
    for number in adapted(decoder) if adapters is None else adapters:
        cost += _unit(maps[pool[number]][0] * filters, filters, positions[number])
    for number in (n for connection in decoder.connections for n in connection):
        cost += _cell_cost(decoder.cell, filters, repeats, positions[number])
        cost += _unit(filters * filters, filters, positions[number])
    loose = decoder.loose
    finest = max(positions[len(STRIDES) + block] for block in loose)
    return cost + _unit(len(loose) * filters * filters, filters, finest)


def _unit(weights: int, filters: int, positions: int) -> Cost:
    """A convolution with its batch norm."""
    return Cost(weights + 2 * filters, weights * positions)


def _cell_cost(cell: Cell, filters: int, repeats: int, positions: int) -> Cost:
    slots = slots_of(cell)
    chosen = Counter(slots[number][1] for number in wiring(cell).inputs)
    return sum(
        (
            _operation_cost(OPERATIONS[operation], filters, repeats, positions)
            for operation in chosen.elements()
        ),
        Cost(0, 0),
    )


def _operation_cost(operation: CellOperation, filters: int, repeats: int, positions: int) -> Cost:
    area = operation.kernel * operation.kernel
    if operation.separable:
        once = _unit((area + filters) * filters, filters, positions)
        return Cost(once.parameters * repeats, once.multiply_adds * repeats)
    return _unit(area * filters * filters, filters, 1 if operation.pooled else positions)


def sketch(decoder: Design) -> str:
    """The decoder in plain text."""
    names = [f"stride {stride}" for stride in STRIDES]
    lines = []
    for number, (one, other) in enumerate(decoder.connections):
        lines.append(f"block {number}: cell({names[one]}) + cell({names[other]})")
        names.append(f"block {number}")
    lines.append(f"joined: {', '.join(f'block {k}' for k in decoder.loose)}")
    return "\n".join((*lines, *_cell_lines(decoder.cell)))


def _cell_lines(cell: Cell) -> Iterator[str]:
    yield f"cell map 1: {OPERATIONS[cell.first].name} of the input"
    for number, layer in enumerate(cell.layers, 1):
        (p, o), (q, r) = layer
        made = (
            f"map {3 * number - 1}: {OPERATIONS[o].name} of map {p}",
            f"map {3 * number}: {OPERATIONS[r].name} of map {q}",
        )
        yield f"cell {', '.join(made)}, map {3 * number + 1}: their sum"


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
    return stacked(blocks.shapes(), _drawn_cell(decoder.cell).shapes(), GAP)


def _drawn_cell(cell: Cell) -> Diagram:
    """The cell's operations: of map 0, then two by two."""

    def place(number: int) -> Place:
        layer, side = divmod(number - 2, 3)
        return (0, BOTH) if not number else (1, BOTH) if number == 1 else (layer + 2, side)

    first = Joint((_box((0, BOTH), cell.first),))
    layers = (Joint(tuple(_box(place(p), o) for p, o in layer)) for layer in cell.layers)
    read = {source for source, _ in slots_of(cell)[1:]}
    ends = (place(k) for k in range(1, 3 * len(cell.layers) + 2, 3) if k not in read)
    return Diagram(("input",), (first, *layers), tuple(ends), "sum")


def _box(source: Place, number: int) -> Box:
    operation = OPERATIONS[number]
    short = operation.name.replace("separable", "sep").replace("x", TIMES)
    first, _, rate = short.partition(" rate ")
    lines = (first, f"rate {rate}") if rate else tuple(first.split(" ", 1))
    colours = WIDE if operation.rate > 1 else PLAIN if operation.kernel else NOTHING
    return Box(source, lines, POOLED if operation.pooled else colours)


def build(decoder: Design, channels: Mapping[int, int], filters: int, repeats: int) -> Part:
    """The decoder as a part that reads maps of `channels` by stride."""
    from atrous.spaces.fast_dense.module import CompactDecoder

    return CompactDecoder(decoder, channels, filters, repeats)
