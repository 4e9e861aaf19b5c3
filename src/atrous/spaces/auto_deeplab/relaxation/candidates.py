"""The architectures next to the decoded one, best first, so that several can be ranked again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from numpy.typing import ArrayLike

from atrous.core.architecture import Genotype
from atrous.spaces.auto_deeplab.relaxation.decoding import best_paths, weighed_blocks
from atrous.spaces.auto_deeplab.space import canonical, encode


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
        for row, place in enumerate(places):
            onwards = (*places[:row], place + 1, *places[row + 1 :])
            if place + 1 < len(terms[row]) and onwards not in seen:
                seen.add(onwards)
                heappush(heap, (-_sum(terms, onwards), onwards))


def _sum(terms: Sequence[Sequence[float]], places: Sequence[int]) -> float:
    return sum(row[place] for row, place in zip(terms, places, strict=True))
