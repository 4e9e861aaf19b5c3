"""The cell of compact decoders (Nekrasov et al. 2019): an operation on its input, then layers of
two operations each, on any two of the maps made so far, which are added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations, product

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


@lru_cache(maxsize=1 << 16)  # decoders of one cell are asked for in every order of their maps
def canonical_cell(cell: Cell) -> Cell:
    cell = _simplified(cell)
    if not {operation for _, operation in slots_of(cell)} & {SKIP, NONE}:
        # All sums differ, so that no read could be of an earlier map: arranging is all.
        return min(_arranged(cell), key=_order)
    while (better := min(map(_simplified, _arranged(cell)), key=_order)) != cell:
        cell = better
    return cell


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


def cell_cost(cell: Cell, filters: int, repeats: int, positions: int) -> Cost:
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
        once = unit_cost((area + filters) * filters, filters, positions)
        return Cost(once.parameters * repeats, once.multiply_adds * repeats)
    return unit_cost(area * filters * filters, filters, 1 if operation.pooled else positions)


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
