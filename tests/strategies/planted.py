"""A problem with a known optimum: what strategies find of it, by how many trials they read.

The true score of a genotype is a sum of effects, one for each choice of each decision, and of one
interaction of two decisions. It is standardised over all genotypes; a reading adds noise of 0.45 of
its spread, as between the seeds of a cell on CamVid (docs/results.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random
from statistics import fmean, pvariance

from atrous.core.architecture import Cost, Genotype
from atrous.core.grammar import Independent
from atrous.spaces.space import Shape, Space
from atrous.strategies.strategy import AnyStrategy
from tests.spaces.toy import space_of
from tests.strategies.histories import play

COUNTS = (11, 5, 8, 2, 7, 4, 11, 6, 2, 9, 5, 8)
PAIR = (0, 6)
"""The two decisions that interact."""
NOISE = 0.45
MAPS = {16: (8, 5, 7)}


@dataclass(frozen=True)
class Planted:
    """A problem: `effects` by decision and choice, and `joint` by the choices of a pair."""

    effects: tuple[tuple[float, ...], ...]
    joint: dict[tuple[int, ...], float]
    mean: float
    spread: float

    def score(self, genotype: Genotype) -> float:
        """The true score, in standard deviations from the mean of all genotypes."""
        return (self._plain(genotype) - self.mean) / self.spread

    def _plain(self, genotype: Genotype) -> float:
        alone = sum(row[choice] for row, choice in zip(self.effects, genotype, strict=True))
        return alone + self.joint[tuple(genotype[place] for place in PAIR)]

    @property
    def optimum(self) -> Genotype:
        """The best genotype: the pair is gone through, the others are chosen one by one."""
        best = [row.index(max(row)) for row in self.effects]

        def with_pair(pair: tuple[int, ...]) -> Genotype:
            chosen = dict(zip(PAIR, pair, strict=True))
            return tuple(chosen.get(place, choice) for place, choice in enumerate(best))

        return max(map(with_pair, self.joint), key=self.score)


def problem(seed: int) -> Planted:
    """A problem, drawn by chance."""
    rng = Random(f"planted {seed}")
    effects = tuple(_centred([rng.gauss(0, 1) for _ in range(count)]) for count in COUNTS)
    pairs = list(product(*(range(COUNTS[place]) for place in PAIR)))
    joint = dict(zip(pairs, _centred([rng.gauss(0, 1) for _ in pairs]), strict=True))
    marginal = [effects[PAIR[0]][a] + effects[PAIR[1]][b] + joint[a, b] for a, b in pairs]
    others = [row for place, row in enumerate(effects) if place not in PAIR]
    return Planted(effects, joint, 0.0, (sum(map(pvariance, others)) + pvariance(marginal)) ** 0.5)


def _centred(values: Sequence[float]) -> tuple[float, ...]:
    mean = fmean(values)
    return tuple(value - mean for value in values)


def space() -> Space:
    """The space of the problem, whose first decisions cost the more the later the choice."""
    return space_of("planted", Independent(COUNTS), _cost).at(MAPS, 8)


def _cost(genotype: Genotype, maps: Mapping[int, Shape], filters: int) -> Cost:  # noqa: ARG001
    return Cost(1000 + 10 * sum(genotype), 1000 * (1 + genotype[0]))


def found(make: Callable[[], AnyStrategy], seed: int, reads: int) -> float:
    """The true score of the best reading of a search."""
    task, noise = problem(seed), Random(f"noise {seed}")

    def read(genotype: Genotype) -> float:
        return task.score(genotype) + noise.gauss(0, NOISE)

    _, seen = play(make(), space(), reads, read, seed)
    best = max(seen, key=lambda result: result.score or 0.0)
    return task.score(best.genotype)


def share_better(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The share of replays in which the first is better; equals count half."""
    pairs = list(zip(ours, theirs, strict=True))
    return fmean((a > b) + (a == b) / 2 for a, b in pairs)
