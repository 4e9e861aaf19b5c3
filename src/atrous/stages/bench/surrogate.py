"""Scores of architectures that are not in a table, by a regression on those that are.

A Gaussian process on one-hot decisions of canonical forms, on pairs of them, and on cost: Bayesian
linear regression, so that a draw from what is believed of all architectures is a list of weights
(Matheron's rule, as in Wilson et al. 2020, "Efficiently Sampling Functions from Gaussian Process
Posteriors"). Each replay takes a draw of its own for the truth: where the table tells little, draws
differ, and so do the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import product
from math import log1p
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from atrous.core.architecture import Genotype
from atrous.spaces.space import Space
from atrous.stages.bench.table import BenchTable, read_table
from atrous.strategies.surrogate import encoded

Numbers = NDArray[np.float64]
PAIRS, COSTS, NOISES = (0.0, 0.3, 1.0), (0.0, 0.1, 1.0), (0.03, 0.1, 0.3, 1.0, 3.0)
"""Prior variances of pairs of decisions, of costs, and of a reading, over those of decisions."""
FOLDS, SLIGHT = 5, 1e-9
STARTS, DRAWN = 3, 300
"""The optimum is climbed to from the best so many of so many random architectures."""


@dataclass(frozen=True)
class Weighing:
    """Prior variances: of single decisions, of pairs, of costs, and of a measured score."""

    single: float
    pairs: float
    costs: float
    noise: float


@dataclass(frozen=True)
class Features:
    """One-hot decisions [entries, columns] and standardised costs [entries, costs]."""

    rows: Numbers
    costs: Numbers

    def of(self, index: NDArray[np.int64]) -> Features:
        """Returns some of the entries."""
        return Features(self.rows[index], self.costs[index])

    def kernel(self, other: Features, weighing: Weighing) -> Numbers:
        """Returns how alike entries are, [entries, others]."""
        alike = self.rows @ other.rows.T / self.rows.sum(1).mean()
        found = weighing.single * alike + weighing.pairs * alike**2
        return np.asarray(found + weighing.costs * self.costs @ other.costs.T)


def weighed(features: Features, target: Numbers) -> Weighing:
    """Returns the variances under which standardised scores are most likely."""
    best, found = -np.inf, Weighing(1, 0, 0, 1)
    for pairs, costs in product(PAIRS, COSTS):
        values, vectors = np.linalg.eigh(features.kernel(features, Weighing(1, pairs, costs, 0)))
        turned = (vectors.T @ target) ** 2
        for noise in NOISES:
            spread = np.maximum(values, 0) + noise
            scale = float((turned / spread).mean())
            likely = -0.5 * float(np.log(spread * scale).sum())
            if likely > best:
                best = likely
                found = Weighing(scale, scale * pairs, scale * costs, scale * noise)
    return found


def predicted(known: Features, target: Numbers, asked: Features) -> Numbers:
    """Returns the expected scores of what is asked for, by those that are known."""
    centre = target.mean()
    weighing = weighed(known, target - centre)
    kernel = known.kernel(known, weighing) + weighing.noise * np.eye(len(target))
    found = asked.kernel(known, weighing) @ np.linalg.solve(kernel, target - centre)
    return np.asarray(found + centre)


def held_out(table: BenchTable, extra: Sequence[Sequence[float]] = ()) -> list[float]:
    """Returns what the others of a table predict of each fifth of it, with `extra` columns beside
    the costs."""
    features = _features(table, extra)
    target, order = np.array(table.truths), np.random.default_rng(0).permutation(len(table.rows))
    found = np.zeros(len(target))
    for part in np.array_split(order, min(FOLDS, len(order))):
        known = np.setdiff1d(order, part)
        found[part] = predicted(features.of(known), target[known], features.of(part))
    return [float(each) for each in found]


def predictions(table: BenchTable) -> list[tuple[str, list[float]]]:
    """Returns what the regression says of architectures that it was not fitted to, by itself and
    with each score that needs no training as a column more."""
    untrained = {n: [row.untrained[n][0] for row in table.rows] for n in table.rows[0].untrained}
    found = [("surrogate", held_out(table))]
    for name, values in untrained.items():
        found.append((f"surrogate with {name.replace('_', ' ')}", held_out(table, [values])))
    return found


@dataclass(frozen=True)
class Believed:
    """All that a table tells of its space, from which truths are drawn."""

    table: BenchTable

    @cached_property
    def space(self) -> Space:
        """The space, which remembers canonical forms."""
        found = self.table.space
        return replace(found, canonical=lru_cache(1 << 16)(found.canonical))

    @cached_property
    def noises(self) -> list[float]:
        """Readings on the selection images less true scores, both from their means: what a search
        reads wrong, of a seed and of the images."""
        truths, rows = np.array(self.table.truths), self.table.rows
        readings = np.array([row.readings for row in rows])
        return [
            float(x) for x in (readings - readings.mean() - (truths - truths.mean())[:, None]).flat
        ]

    @cached_property
    def known(self) -> tuple[Features, Numbers, Weighing, Numbers]:
        """Features, scores from their mean, variances, and the inverse of the table's kernel."""
        features, target = _features(self.table), np.array(self.table.truths)
        target = target - target.mean()
        weighing = weighed(features, target)
        kernel = features.kernel(features, weighing) + weighing.noise * np.eye(len(target))
        return features, target, weighing, np.asarray(np.linalg.inv(kernel))

    @cached_property
    def rugged(self) -> float:
        """The standard deviation of what neither decisions nor seeds explain."""
        unseen = [np.mean([*row.unseen.values()], axis=0) for row in self.table.rows]
        seeds = float(np.var(unseen, axis=1, ddof=1).mean()) / len(self.table.about.seeds)
        return float(np.sqrt(max(0.0, self.known[2].noise - seeds)))

    def costs(self, forms: Sequence[Genotype]) -> Numbers:
        """Returns the standardised costs of architectures, [entries, 2]."""
        centre, scale = self._cost_scale
        return np.asarray((_costs(forms, self.space) - centre) / scale)

    @cached_property
    def _cost_scale(self) -> tuple[Numbers, Numbers]:
        logs = _costs(_forms(self.table), self.space)
        return logs.mean(0), logs.std(0) + SLIGHT


@dataclass(frozen=True)
class DrawnTruth:
    """The true score of every architecture of a space, as one draw has it: the `mean` and what each
    decision, each pair and each cost adds; call it with a canonical form."""

    believed: Believed
    seed: int
    mean: float
    single: Numbers
    pairs: Numbers
    costs: Numbers

    def __call__(self, form: Genotype) -> float:
        """Returns the true score."""
        starts = np.cumsum((0, *self.believed.space.most_choices))[: len(form)]
        at = starts + np.array(form)
        smooth = self.single[at].sum() + self.pairs[at[:, None], at].sum()
        priced = self.believed.costs([form])[0] @ self.costs
        rough = Random(f"{self.seed} {form}").gauss(0, self.believed.rugged)
        return float(self.mean + smooth + priced + rough)


def drawn_truth(believed: Believed, seed: int) -> DrawnTruth:
    """Returns a draw from what a table lets one believe of all architectures of its space."""
    features, target, weighing, inverse = believed.known
    rng, width = np.random.default_rng((seed, 1)), features.rows.shape[1]
    decisions = features.rows.sum(1).mean()
    variances = weighing.single / decisions, weighing.pairs / decisions**2, weighing.costs
    single = rng.normal(0, np.sqrt(variances[0]), width)
    pairs = rng.normal(0, np.sqrt(variances[1]), (width, width))
    costs = rng.normal(0, np.sqrt(variances[2]), features.costs.shape[1])
    rows = features.rows
    prior = rows @ single + np.einsum("ni,ij,nj->n", rows, pairs, rows) + features.costs @ costs
    noise = rng.normal(0, np.sqrt(weighing.noise), len(target))
    pull = inverse @ (target - prior - noise)
    single += variances[0] * rows.T @ pull
    pairs += variances[1] * np.einsum("n,ni,nj->ij", pull, rows, rows)
    costs += variances[2] * features.costs.T @ pull
    mean = float(np.mean(believed.table.truths))
    return DrawnTruth(believed, seed, mean, single, pairs, costs)


def climbed(truth: DrawnTruth) -> float:
    """Returns the true score of the best architecture that climbing with true scores finds: from
    the best of many to where no neighbour is better."""
    space, rng = truth.believed.space, Random(truth.seed)

    def score(genotype: Genotype) -> float:
        return truth(space.canonical(genotype))

    drawn = sorted((space.sample(rng) for _ in range(DRAWN)), key=score, reverse=True)
    best = -np.inf
    for genotype in drawn[:STARTS]:
        here = score(genotype)
        while (there := max(map(score, space.neighbours(genotype)), default=here)) > here:
            genotype = max(space.neighbours(genotype), key=score)
            here = there
        best = max(best, here)
    return float(best)


@lru_cache(maxsize=2)
def believed_of(folder: Path) -> Believed:
    """Returns what the table in a folder lets one believe; once in a process."""
    return Believed(read_table(folder))


def _forms(table: BenchTable) -> list[Genotype]:
    space = table.space
    return [space.canonical(row.architecture.genotype) for row in table.rows]


def _costs(forms: Sequence[Genotype], space: Space) -> Numbers:
    found = map(space.analytic_cost, forms)
    return np.array([(log1p(cost.parameters), log1p(cost.multiply_adds)) for cost in found])


def _features(table: BenchTable, extra: Sequence[Sequence[float]] = ()) -> Features:
    forms, space = _forms(table), table.space
    costs = np.column_stack((_costs(forms, space), *map(np.array, extra)))
    costs = (costs - costs.mean(0)) / (costs.std(0) + SLIGHT)
    return Features(encoded(forms, space), costs)
