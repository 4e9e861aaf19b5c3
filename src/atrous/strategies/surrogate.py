"""A regression on decisions and cost that says which of many candidates to train."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log1p
from random import Random
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atrous.core.architecture import Genotype
from atrous.core.strategy_config import SurrogateConfig
from atrous.core.trial import Origin
from atrous.strategies.strategy import (
    Domain,
    Known,
    Proposal,
    Result,
    remembered,
    scored_between,
)
from atrous.strategies.uniform import uniform

Numbers = NDArray[np.float64]
MOST_ENTRIES = 500
"""The latest so many results are fitted."""
OFTEN, SELDOM = (50, 10), (250, 50)
"""A model is fitted to each new result, then to every 10th, then to every 50th, from so many on."""
STAGES = 4
"""A progressive search opens its decisions in so many steps."""
NOISES = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Variances of a reading to choose from, in units of a kernel's diagonal."""
FEWEST = 20
"""Draws for which a candidate is looked for, and two more for each."""
KIND, OPENED = "predicted", "opened"
"""Kinds of origin: the most promising candidate, a draw of the decisions that are open."""


@dataclass(frozen=True)
class Surrogate:
    """Candidates are mutants of the best and fresh samples; the one that promises most is proposed.

    The promise is the mean of a Gaussian process and `curious` of its standard deviations. Two
    architectures are alike by the share of decisions that their canonical forms agree in, and by
    cost: that is Bayesian ridge regression on one-hot decisions, parameters and multiply-adds. The
    model `pairs` adds the square of the share, and with it all pairs of decisions. Noise is chosen
    by leaving one out.

    With `progressive`, the first quarter of the decisions is open for so many trials, the others
    taking their first choice, then the next one is opened (as Liu et al. 2018, PNAS, and Perez-Rua
    et al. 2019, MFAS, grow architectures whose size differs).
    """

    how: SurrogateConfig = field(default_factory=SurrogateConfig)

    def __call__(self, domain: Domain, history: Known, rng: Random) -> Proposal:
        """See `Proposer`."""
        places = len(domain.most_choices)
        model = self._model(domain, history) if len(history) >= self.how.initial else None
        if model is None and not self.how.progressive:
            return uniform(domain, history, rng)
        for opened in self._opened(len(history), places):
            count = self.how.pool if model else 1
            found = self._candidates(domain, history, opened, count, rng)
            if found:
                forms = model.sorted(list(found), domain, self.how.curious) if model else found
                best = next((found[form] for form in forms if domain.affords(found[form])), None)
                if best is not None:
                    return Proposal(best, Origin(KIND if model else OPENED))
        return uniform(domain, history, rng)

    def _opened(self, begun: int, places: int) -> list[int]:
        """How many decisions are open, and how many if nothing is left of those."""
        if not self.how.progressive:
            return [places]
        first = min(STAGES, 1 + begun // self.how.progressive)
        return [-(-places * stage // STAGES) for stage in range(first, STAGES + 1)]

    def _model(self, domain: Domain, history: Known) -> Regression | None:
        known = history.known
        every = max((step for start, step in (OFTEN, SELDOM) if known >= start), default=1)
        known -= known % every

        def fit() -> Regression | None:
            results = scored_between(history, max(0, known - MOST_ENTRIES), known)
            return Regression.fitted(results, domain, self.how.model) if len(results) > 1 else None

        return remembered(history, (self.how.model, known), fit)

    def _candidates(
        self, domain: Domain, history: Known, opened: int, count: int, rng: Random
    ) -> dict[Genotype, Genotype]:
        """Genotypes that were not tried, by canonical form; half of them are near the best."""
        parents = history.best(self.how.parents)
        found: dict[Genotype, Genotype] = {}
        for number in range(2 * count + FEWEST):
            if parents and number % 2:
                genotype = _mutant(rng.choice(parents).genotype, domain, rng)
            else:
                genotype = domain.sample(rng)
            if opened < len(domain.most_choices):
                genotype = _closed(genotype, opened, domain)
            form = domain.canonical(genotype)
            if form not in found and not history.seen(form) and domain.allows(genotype):
                found[form] = genotype
            if len(found) == count:
                break
        return found


def _mutant(genotype: Genotype, domain: Domain, rng: Random) -> Genotype:
    for _ in range(rng.choice((1, 1, 2))):
        genotype = domain.mutate(genotype, rng)
    return genotype


def _closed(genotype: Genotype, opened: int, domain: Domain) -> Genotype:
    """The genotype with its first choice in the place of all decisions that are not open."""
    return domain.spell(
        lambda place, count: (
            genotype[place] if place < min(opened, len(genotype)) and genotype[place] < count else 0
        )
    )


@dataclass(frozen=True)
class Regression:
    """A Gaussian process on `rows`: [entries, columns], one-hot decisions and two costs.

    `weights` [entries] give the mean; `inverse` [entries, entries] the variance. `columns` says
    where a decision's choices begin, and `centre` and `scale` how costs are standardised.
    """

    rows: Numbers
    costs: Numbers
    weights: Numbers
    inverse: Numbers
    centre: Numbers
    scale: Numbers
    places: int
    model: str

    @classmethod
    def fitted(cls, results: Sequence[Result], domain: Domain, model: str) -> Regression:
        """Fits standardised scores; those of each rung by themselves, for rungs do not compare."""
        forms = [domain.canonical(result.genotype) for result in results]
        rows, costs = encoded(forms, domain), _costs(forms, domain)
        centre, scale = costs.mean(0), costs.std(0) + 1e-9
        costs = (costs - centre) / scale
        places = len(domain.most_choices)
        kernel = _kernel(rows, costs, rows, costs, places, model)
        values, vectors = np.linalg.eigh(kernel)
        target = vectors.T @ _standardised(results)

        def left_out(noise: float) -> float:
            """The mean squared error of each entry as the others predict it."""
            shrunk = 1 / (np.maximum(values, 0) + noise)
            residual = vectors @ (shrunk * target) / ((vectors**2) @ shrunk)
            return float((residual**2).mean())

        shrunk = 1 / (np.maximum(values, 0) + min(NOISES, key=left_out))
        inverse = (vectors * shrunk) @ vectors.T
        weights = vectors @ (shrunk * target)
        return cls(rows, costs, weights, inverse, centre, scale, places, model)

    def sorted(self, forms: Sequence[Genotype], domain: Domain, curious: float) -> list[Genotype]:
        """Returns the forms, that which promises most first."""
        rows = encoded(forms, domain)
        costs = (_costs(forms, domain) - self.centre) / self.scale
        near = _kernel(rows, costs, self.rows, self.costs, self.places, self.model)
        own = (2.0 if self.model == "pairs" else 1.0) + (costs**2).mean(1) / 10
        variance = own - np.einsum("ij,jk,ik->i", near, self.inverse, near, optimize=True)
        promise = near @ self.weights + curious * np.sqrt(np.maximum(variance, 0))
        return [forms[place] for place in np.argsort(-promise, kind="stable")]


def encoded(genotypes: Sequence[Genotype], domain: Domain) -> Numbers:
    """Returns decisions one-hot: [genotypes, all choices of all decisions]."""
    starts = np.cumsum((0, *domain.most_choices))
    rows = np.zeros((len(genotypes), starts[-1]))
    for row, genotype in zip(rows, genotypes, strict=True):
        row[starts[: len(genotype)] + np.array(genotype, dtype=int)] = 1
    return rows


def _costs(genotypes: Sequence[Genotype], domain: Domain) -> Numbers:
    found = [domain.analytic_cost(genotype) for genotype in genotypes]
    return np.array([(log1p(cost.parameters), log1p(cost.multiply_adds)) for cost in found])


def _kernel(
    a: Numbers, costs_a: Numbers, b: Numbers, costs_b: Numbers, places: int, model: str
) -> Any:
    alike = a @ b.T / places
    return alike + (alike**2 if model == "pairs" else 0) + costs_a @ costs_b.T / 20


def _standardised(results: Sequence[Result]) -> Numbers:
    by_level = defaultdict(list)
    for result in results:
        by_level[result.level].append(result.score or 0.0)
    means = {level: fmean(scores) for level, scores in by_level.items()}
    found = np.array([(result.score or 0.0) - means[result.level] for result in results])
    spread = float(found.std()) + 1e-12
    return np.asarray(found / spread)
