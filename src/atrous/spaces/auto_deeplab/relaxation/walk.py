"""Walks through the trellis: one that leaves each level by chance (Liu et al. 2019, equation 7).

A level of a layer has its outgoing probabilities, one for each of its exits, which sum to one.
Betas and outgoing probabilities come as rows [arrows], in the order of `trellis.arrows`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atrous.spaces.auto_deeplab.trellis import Arrow, arrows, exits

if TYPE_CHECKING:
    from torch import Tensor

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
    return [float(v) for place in _rows(len(values)) for v in log_softmax(values[place])]


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


def log_softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over the last axis."""
    shifted = values - values.max(axis=-1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def _rows(arrow_count: int) -> Iterator[slice]:
    """The places of the arrows that leave a level of a layer, which follow each other."""
    start = 0
    by_place = list(arrows(layers_with(arrow_count)))
    while start < arrow_count:
        stop = start + len(exits(by_place[start].source))
        yield slice(start, stop)
        start = stop
