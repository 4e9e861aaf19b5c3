"""How undecided a search still is, and how much of what it would decode computes nothing new."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log
from statistics import fmean

from atrous.spaces.auto_deeplab.cell import Operation, RepeatedCell
from atrous.spaces.auto_deeplab.relaxation.walk import rows

POOLING = (Operation.AVERAGE, Operation.MAXIMUM)


@dataclass(frozen=True)
class Entropy:
    """The mean over several choices: `nats`, and as `share` of what each could have at most."""

    nats: float
    share: float


def alpha_entropy(probabilities: Sequence[Sequence[float]]) -> Entropy:
    """That of the operations on an edge, from their probabilities [edges, 8]."""
    return _mean(probabilities)


def beta_entropy(outgoing: Sequence[float]) -> Entropy:
    """That of the way on from a level of a layer, from outgoing probabilities [arrows].

    Every level of every layer counts alike, whether or not a walk often comes there.
    """
    return _mean(rows(outgoing))


def skip_share(cell: RepeatedCell) -> float:
    """The part of the cell's edges that skip."""
    return _share(cell, (Operation.SKIP,))


def pooling_share(cell: RepeatedCell) -> float:
    """The part of the cell's edges that pool."""
    return _share(cell, POOLING)


def _mean(choices: Iterable[Sequence[float]]) -> Entropy:
    found = [(_nats(row), log(len(row))) for row in choices]
    return Entropy(fmean(n for n, _ in found), fmean(n / most for n, most in found))


def _nats(row: Sequence[float]) -> float:
    return -sum(p * log(p) for p in row if p > 0)


def _share(cell: RepeatedCell, operations: Sequence[Operation]) -> float:
    kinds = [edge.operation for block in cell for edge in (block.first, block.second)]
    return sum(kind in operations for kind in kinds) / len(kinds)
