"""From what a search has learnt to the architecture that it found (Liu et al. 2019, section 4.3).

Alpha [edges, 8] weighs the operations on each edge of the cell, beta [arrows] the arrows of the
trellis, both before softmax, in the orders of `cell.edges` and `trellis.arrows`. Of equals
the first is taken: smaller states, operations and levels before larger ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush
from itertools import combinations, count, product
from math import log
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax

from atrous.core.architecture import Genotype
from atrous.spaces.auto_deeplab.cell import OPERATIONS, Block, Edge, Operation, RepeatedCell, edges
from atrous.spaces.auto_deeplab.space import canonical, encode
from atrous.spaces.auto_deeplab.trellis import Arrow, Path, arrows, exits, levels_at

if TYPE_CHECKING:
    from torch import Tensor


MOST_EXITS = 3
POOLING = (Operation.AVERAGE, Operation.MAXIMUM)

Weighed = tuple[float, Block]
"""A block with its log weight."""


def decode(alpha: ArrayLike, beta: ArrayLike, neutral: bool = False) -> Genotype:
    """The genotype that the search has found; `neutral` as in `decode_path`."""
    return encode(decode_path(beta, neutral), decode_cell(alpha))


def decode_cell(alpha: ArrayLike) -> RepeatedCell:
    """The strongest block for each place.

    The weight of an operation is the softmax over the eight of its edge, `none` among them. A block
    keeps the two different states whose strongest operation other than `none` weighs most, and on
    each that operation. This is the block whose two weights have the largest product.
    """
    return tuple(options[0][1] for options in weighed_blocks(alpha))


def decode_path(beta: ArrayLike, neutral: bool = False) -> Path:
    """The path with the largest product of outgoing probabilities from the stem on, by Viterbi.

    Outgoing probabilities favour the edge of the trellis: strides 4 and 32 have two exits where
    strides 8 and 16 have three. Where all betas are equal, twelve layers at stride 4 have 2^-12 =
    2.44e-4, and the path that the paper found 2.14e-5, eleven times less. `neutral` multiplies each
    probability by exits / 3, so that equal betas prefer no path; the paper does not.
    """
    return best_paths(beta, 1, neutral)[0][1]


def best_paths(beta: ArrayLike, count: int, neutral: bool = False) -> list[tuple[float, Path]]:
    """The `count` best paths, best first, or all if there are fewer, each with its log weight."""
    gains = _gains(beta, neutral)
    layers = layers_with(len(gains))
    found: dict[tuple[int, int], list[tuple[float, Path]]] = {(-1, 0): [(0.0, ())]}
    for arrow, gain in zip(arrows(layers), gains, strict=True):
        # The best ways through a node go on from among the best ways to it: no other need be kept.
        before = _best(found[arrow.layer - 1, arrow.source], count)
        onwards = [(weight + gain, (*path, arrow.target)) for weight, path in before]
        found.setdefault((arrow.layer, arrow.target), []).extend(onwards)
    ends = [way for level in levels_at(layers - 1) for way in found[layers - 1, level]]
    return _best(ends, count)


def weighed_blocks(alpha: ArrayLike) -> list[list[Weighed]]:
    """Every block that each place of the cell can have, strongest first."""
    weights = log_softmax(np.asarray(alpha, dtype=np.float64), axis=-1)
    blocks = blocks_of(len(weights))
    starts = [edges(blocks).index((block, 0)) for block in range(blocks)]
    own = np.split(weights, starts[1:])
    return [sorted(_blocks(states), key=lambda option: -option[0]) for states in own]


def blocks_of(edge_count: int) -> int:
    """How many blocks the cell with so many edges has; raises `ValueError` if there is none."""
    blocks = 0
    while len(edges(blocks)) < edge_count:
        blocks += 1
    if not blocks or len(edges(blocks)) != edge_count:
        raise ValueError(
            f"Expected one row of alpha for each edge of a cell, 2, 5, 9, 14, 20 and so on, got "
            f"{edge_count}."
        )
    return blocks


def _blocks(weights: NDArray[np.float64]) -> Iterator[Weighed]:
    """The blocks of one place, from log weights [states, 8], in the order of genotypes."""
    for low, high in combinations(range(len(weights)), 2):
        for first, second in product(range(len(OPERATIONS)), repeat=2):
            block = Block(Edge(low, OPERATIONS[first]), Edge(high, OPERATIONS[second]))
            yield float(weights[low, first] + weights[high, second]), block


def _gains(beta: ArrayLike, neutral: bool) -> list[float]:
    """Returns what each arrow adds to the log weight of a path."""
    gains = log_outgoing(beta)
    if not neutral:
        return gains
    ways = arrows(layers_with(len(gains)))
    return [g + log(len(exits(a.source)) / MOST_EXITS) for g, a in zip(gains, ways, strict=True)]


def _best(ways: list[tuple[float, Path]], count: int) -> list[tuple[float, Path]]:
    return sorted(ways, key=lambda way: (-way[0], way[1]))[:count]


def decode_candidates(
    alpha: ArrayLike, beta: ArrayLike, count: int, neutral: bool = False
) -> list[Genotype]:
    """The `count` architectures of largest weight, or all if there are fewer; the first is that of
    `decode`.

    The weight is the product of the path's outgoing probabilities and of the two operation weights
    of each block. Of genotypes that differ by the order of their blocks alone, the first stands
    for all.
    """
    candidates: dict[Genotype, Genotype] = {}
    for genotype, layers in _by_weight(alpha, beta, count, neutral):
        candidates.setdefault(canonical(genotype, layers), genotype)
        if len(candidates) == count:
            break
    return list(candidates.values())


def _by_weight(
    alpha: ArrayLike, beta: ArrayLike, count: int, neutral: bool
) -> Iterator[tuple[Genotype, int]]:
    """Genotypes by falling weight, each with its layers."""
    paths = best_paths(beta, count, neutral)
    blocks = weighed_blocks(alpha)
    weights = [[weight for weight, _ in paths]]
    weights += [[weight for weight, _ in options] for options in blocks]
    for first, *others in by_sum(weights):
        path = paths[first][1]
        cell = tuple(options[place][1] for options, place in zip(blocks, others, strict=True))
        yield encode(path, cell), len(path)


def by_sum(terms: Sequence[Sequence[float]]) -> Iterator[tuple[int, ...]]:
    """A place in each row of `terms`, for every choice of one term a row, by falling sum.

    Each row falls. Lazily: the next best differs by one place from one that was given before.
    """
    start = (0,) * len(terms)
    seen, heap = {start}, [(-_sum(terms, start), start)]
    while heap:
        _, places = heappop(heap)
        yield places
        # All that come next are one place below one already given, since every row falls.
        for row, place in enumerate(places):
            onwards = (*places[:row], place + 1, *places[row + 1 :])
            if place + 1 < len(terms[row]) and onwards not in seen:
                seen.add(onwards)
                heappush(heap, (-_sum(terms, onwards), onwards))


def _sum(terms: Sequence[Sequence[float]], places: Sequence[int]) -> float:
    return sum(row[place] for row, place in zip(terms, places, strict=True))


def share_of(cell: RepeatedCell, *operations: Operation) -> float:
    """Returns the part of the cell's edges that have one of these operations."""
    kinds = [edge.operation for block in cell for edge in (block.first, block.second)]
    return sum(kind in operations for kind in kinds) / len(kinds)


Number = TypeVar("Number", float, "Tensor")
OPERATIONS_GROUP, WAYS_GROUP = "operations", "ways"
"""The groups of logits, alpha and beta."""


def layers_with(arrow_count: int) -> int:
    """How many layers the trellis with so many arrows has; raises `ValueError` if there is none."""
    for layers in count(1):
        found = sum(1 for _ in arrows(layers))
        if found == arrow_count:
            return layers
        if found > arrow_count:
            break
    raise ValueError(
        f"Expected one beta for each arrow of a trellis, 2, 7, 15, 25, 35 and so on, got "
        f"{arrow_count}."
    )


def nodes(layers: int) -> tuple[tuple[int, int], ...]:
    """Lists the (layer, source) that arrows leave together, in the arrows' order; the stem is the
    first, and nothing leaves the last layer."""
    return tuple(dict.fromkeys((arrow.layer, arrow.source) for arrow in arrows(layers)))


def ways_of(probabilities: Mapping[str, Sequence[Sequence[float]]]) -> list[float]:
    """Returns the outgoing probabilities [arrows] from those of all groups."""
    return [share for row in probabilities[WAYS_GROUP] for share in row]


def log_outgoing(beta: ArrayLike) -> list[float]:
    """The logarithms of the outgoing probabilities: log softmax of betas [arrows] by level left."""
    values = np.asarray(beta, dtype=np.float64)
    return [float(v) for place in _rows(len(values)) for v in log_softmax(values[place], axis=-1)]


def outgoing(beta: ArrayLike) -> list[float]:
    """The outgoing probabilities: softmax of betas [arrows] over the exits of each level."""
    return [float(np.exp(value)) for value in log_outgoing(beta)]


def rows(by_arrow: Sequence[Number]) -> list[Sequence[Number]]:
    """Returns what belongs to the arrows [arrows], level by level that they leave."""
    return [by_arrow[place] for place in _rows(len(by_arrow))]


def arrow_probabilities(outgoing: Sequence[Number]) -> dict[Arrow, Number]:
    """The probability that a walk from the stem takes an arrow, by arrow, in their order.

    Takes and gives numbers, or tensors without dimensions, through which gradients flow.
    """
    reached: dict[tuple[int, int], Number] = {}
    taken: dict[Arrow, Number] = {}
    for arrow, share in zip(arrows(layers_with(len(outgoing))), outgoing, strict=True):
        before = reached.get((arrow.layer - 1, arrow.source))
        taken[arrow] = share if before is None else before * share
        place = (arrow.layer, arrow.target)
        reached[place] = reached[place] + taken[arrow] if place in reached else taken[arrow]
    return taken


def node_probabilities(outgoing: Sequence[float]) -> dict[tuple[int, int], float]:
    """The probability that a walk from the stem passes a level of a layer, by (layer, level)."""
    found: dict[tuple[int, int], float] = {}
    for arrow, probability in arrow_probabilities(outgoing).items():
        place = (arrow.layer, arrow.target)
        found[place] = found.get(place, 0.0) + probability
    return found


def _rows(arrow_count: int) -> Iterator[slice]:
    """The places of the arrows that leave a level of a layer, which follow each other."""
    start = 0
    by_place = list(arrows(layers_with(arrow_count)))
    while start < arrow_count:
        stop = start + len(exits(by_place[start].source))
        yield slice(start, stop)
        start = stop
