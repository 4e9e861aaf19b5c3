"""The cell of compact decoders (Nekrasov et al. 2019): an operation on its input, then layers of
two operations each, on any two of the maps made so far, which are added."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from atrous.core.architecture import Cost
from atrous.core.words import TIMES
from atrous.spaces.space import unit_cost
from atrous.spaces.wiring import BOTH, NOTHING, PLAIN, POOLED, WIDE, Box, Diagram, Joint, Place


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
Slots = tuple[Slot, ...]


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


def slots_of(cell: Cell) -> Slots:
    """Every operation with the map that it reads, in order."""
    return ((0, cell.first), *(slot for layer in cell.layers for slot in layer))


def wiring(cell: Cell) -> Wiring:
    """The sums of the cell.

    Its output is the sum of the first result and the layers' sums, but for those that something
    reads: `none` reads too, so that it can hide a map.
    """
    slots = slots_of(cell)
    return _wiring(slots, _values(slots))


def _values(slots: Slots) -> list[Terms]:
    """The sum that each map of the cell is."""
    values: list[Terms] = [(INPUT,)]
    for number, (source, operation) in enumerate(slots):
        if operation == NONE:
            values.append(())
        else:
            values.append(values[source] if operation == SKIP else (number,))
        if number and number % 2 == 0:
            values.append(tuple(sorted(values[-2] + values[-1])))
    return values


def _wiring(slots: Slots, values: list[Terms]) -> Wiring:
    output = _output(slots, values)
    return Wiring(_live([values[source] for source, _ in slots], output), output)


def _output(slots: Slots, values: list[Terms]) -> Terms:
    read = {source for source, _ in slots[1:]}
    collected = [values[k] for k in range(1, len(values), 3) if k not in read]
    return tuple(sorted([term for terms in collected for term in terms]))


def _live(inputs: Sequence[Terms], output: Terms) -> dict[int, Terms]:
    """The operations that the output depends on."""
    live, waiting = set[int](), set(output)
    while waiting := {term for term in waiting if term != INPUT and term not in live}:
        live |= waiting
        waiting = {term for number in waiting for term in inputs[number]}
    return {number: inputs[number] for number in sorted(live)}


@lru_cache(maxsize=1 << 16)  # decoders of one cell are asked for in every order of their maps
def canonical_cell(cell: Cell) -> Cell:
    """One cell for those that differ in the order of things, or in what does not count."""
    slots = _simplified(slots_of(cell))
    if not {operation for _, operation in slots} & {SKIP, NONE}:
        # All sums differ, so that no read could be of an earlier map: arranging is all.
        slots = min(_arranged(slots), key=_order)
    else:
        while (better := min(map(_simplified, _arranged(slots)), key=_order)) != slots:
            slots = better
    (_, first), *rest = slots
    return Cell(first, tuple(zip(rest[::2], rest[1::2], strict=True)))


def _arranged(slots: Slots) -> Iterator[Slots]:
    """The cell with its layers, and the slots of each, in those legal orders that may be the least:
    what comes next has the least operation that could, and only equal ones are all tried."""

    def extended(done: Slots, names: dict[int, int], left: tuple[int, ...]) -> Iterator[Slots]:
        if not left:
            yield done
            return
        able = [k for k in left if slots[k][0] in names and slots[k + 1][0] in names]
        least = min(_rank(slots[k + side][1]) for k in able for side in (0, 1))
        for k in able:
            for side in (0, 1):
                (p, o), (q, r) = slots[k + side], slots[k + 1 - side]
                if _rank(o) == least:
                    renamed = (*done, (names[p], o), (names[q], r))
                    yield from extended(
                        renamed,
                        {**names, **_results(k, len(done), side)},
                        tuple(other for other in left if other != k),
                    )

    return extended(slots[:1], {0: 0, 1: 1}, tuple(range(1, len(slots), 2)))


@cache
def _results(old: int, new: int, turned: int) -> dict[int, int]:
    """The maps of a layer that begins with operation `old` by what they are where it begins with
    operation `new`, its slots turned round or not."""
    before, after = 3 * (old // 2) + 2, 3 * (new // 2) + 2
    return {before + turned: after, before + 1 - turned: after + 1, before + 2: after + 2}


def _rank(operation: int) -> int:
    """The place of an operation in the order among equal cells: `none` is before all."""
    return -1 if operation == NONE else operation


def _order(slots: Slots) -> tuple[tuple[int, int], ...]:
    """The order among equal cells: operations, then maps."""
    return tuple([(_rank(operation), source) for source, operation in slots])


def _simplified(slots: Slots) -> Slots:
    """The cell with operations that reach nothing made `none`, and each read of a sum turned to
    the first map that is the same."""
    values = _values(slots)
    wanted = _wiring(slots, values)
    for number, slot in enumerate(slots):
        hollow = None
        for simpler in _alternatives(number, slot, values, wanted):
            found = (*slots[:number], simpler, *slots[number + 1 :])
            # What a cell is in which `none` stands here, is the same whatever that reads.
            made = hollow if hollow and simpler[1] == NONE else _values(found)
            hollow = made if simpler[1] == NONE else hollow
            if _output(found, made) == wanted.output and all(
                made[found[one][0]] == given for one, given in wanted.inputs.items()
            ):
                slots = found
                break
    return slots


def _alternatives(number: int, slot: Slot, values: list[Terms], wanted: Wiring) -> Iterator[Slot]:
    """Simpler slots that may compute the same in the place of one, the simplest first."""
    source, operation = slot
    useless = number not in wanted.inputs and operation not in (SKIP, NONE)
    if number == 0:
        if useless:
            yield 0, NONE
        return
    if useless or operation == SKIP:
        yield from ((p, NONE) for p in range(_pool(number)))
    for p in range(source):
        if operation == NONE or values[p] == values[source]:
            yield p, operation


def _pool(number: int) -> int:
    """How many maps there are before the layer of operation `number`."""
    return 3 * ((number + 1) // 2) - 1


def cell_cost(cell: Cell, filters: int, repeats: int, positions: int) -> Cost:
    """The cost of the operations that reach the cell's output, on a map of so many positions."""
    parameters, everywhere, once = _work(cell, filters, repeats)
    return Cost(parameters, everywhere * positions + once)


@lru_cache(maxsize=1 << 12)  # a decoder has its cell at all of its maps
def _work(cell: Cell, filters: int, repeats: int) -> tuple[int, int, int]:
    """Parameters, multiply-adds for a position, and those that a map of any size takes."""
    slots, parameters, everywhere, once = slots_of(cell), 0, 0, 0
    for number in wiring(cell).inputs:
        operation = OPERATIONS[slots[number][1]]
        cost = _operation_cost(operation, filters, repeats)
        parameters += cost.parameters
        everywhere += 0 if operation.pooled else cost.multiply_adds
        once += cost.multiply_adds if operation.pooled else 0
    return parameters, everywhere, once


def _operation_cost(operation: CellOperation, filters: int, repeats: int) -> Cost:
    """The cost at one position."""
    area = operation.kernel * operation.kernel
    if operation.separable:
        return unit_cost((area + filters) * filters, filters, 1) * repeats
    return unit_cost(area * filters * filters, filters, 1)


def cell_lines(cell: Cell) -> Iterator[str]:
    yield f"cell map 1: {OPERATIONS[cell.first].name} of the input"
    for number, layer in enumerate(cell.layers, 1):
        (p, o), (q, r) = layer
        made = (
            f"map {3 * number - 1}: {OPERATIONS[o].name} of map {p}",
            f"map {3 * number}: {OPERATIONS[r].name} of map {q}",
        )
        yield f"cell {', '.join(made)}, map {3 * number + 1}: their sum"


def drawn_cell(cell: Cell) -> Diagram:
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
