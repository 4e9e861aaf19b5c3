"""Optuna's own samplers behind one adapter: TPE, a Gaussian process, NSGA-II."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from atrous.core.architecture import Genotype
from atrous.core.strategy_config import GpConfig, Nsga2Config, TpeConfig
from atrous.core.trial import Origin
from atrous.strategies.strategy import (
    Domain,
    ExhaustedError,
    Known,
    Proposal,
    Result,
    remembered,
    scored_between,
    unseen_near,
)
from atrous.strategies.uniform import uniform

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial

AnyConfig = TpeConfig | GpConfig | Nsga2Config
GENERATION = "NSGAIISampler:generation"
"""The attribute by which Optuna's NSGA-II knows the generation of a trial."""


@dataclass(frozen=True)
class Sampled:
    """Proposals of a sampler of Optuna, to which each decision is a categorical parameter.

    A parameter has as many choices as its decision can ever have; where earlier decisions leave
    fewer, and the sampler's choice is none of them, one is drawn uniformly. A function that was
    tried is drawn again, `retries` times, then mutated until it is new. The sampler sees canonical
    forms, and scores of the first rung, on which all trials have been: the latest `entries` at
    most, a tenth less after each tenth. NSGA-II sees all that is wanted, where that is more than a
    score.
    """

    how: AnyConfig

    def __call__(self, domain: Domain, history: Known, rng: Random) -> Proposal:
        """See `Proposer`."""
        if len(history) < self.how.initial or not history.scored(0):
            return uniform(domain, history, rng)
        space = _distributions(domain)
        study = self._study(domain, history, space)

        def draw() -> Genotype:
            return _drawn(study, self.how, space, domain, rng)

        try:
            genotype = unseen_near(draw, self.how.retries, domain, history, rng)
        except ExhaustedError:
            return uniform(domain, history, rng)
        return Proposal(genotype, Origin(KINDS[type(self.how)]))

    def _study(
        self, domain: Domain, history: Known, space: Mapping[str, BaseDistribution]
    ) -> Study:
        """The study of the latest results, to which those are added that came since the last."""
        tenth = max(1, self.how.entries // 10)
        start = tenth * max(0, -(-(history.known - self.how.entries) // tenth))
        several = _several(self.how, history)
        kept = remembered(
            history, (self.how, start), lambda: _Entries(_empty(max(1, several)), start)
        )
        for result in scored_between(history, kept.until, history.known):
            if result.level == 0:
                kept.study.add_trial(_trial(result, several, kept.count, self.how, space, domain))
                kept.count += 1
        kept.until = history.known
        return kept.study


@dataclass
class _Entries:
    """A study, up to which result it holds them, and how many those are that have a score."""

    study: Study
    until: int
    count: int = 0


def _empty(several: int) -> Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(directions=["maximize"] * several)


def _several(how: AnyConfig, history: Known) -> int:
    """How many objectives a sampler sees that looks for a front; 0 where it sees the score."""
    return len(history.best(1)[0].wanted) if isinstance(how, Nsga2Config) else 0


def _distributions(domain: Domain) -> dict[str, BaseDistribution]:
    """The parameter of each decision, by its position."""
    from optuna.distributions import CategoricalDistribution

    most = enumerate(domain.most_choices)
    return {str(place): CategoricalDistribution(tuple(range(count))) for place, count in most}


def _trial(
    result: Result,
    several: int,
    count: int,
    how: AnyConfig,
    space: Mapping[str, BaseDistribution],
    domain: Domain,
) -> FrozenTrial:
    """A result as Optuna knows it; NSGA-II takes so many in turn for a generation."""
    from optuna.trial import create_trial

    params = {str(place): choice for place, choice in enumerate(domain.canonical(result.genotype))}
    values = result.wanted if several else (result.score or 0.0,)
    generation = count // how.population if isinstance(how, Nsga2Config) else 0
    return create_trial(
        params=params,
        distributions={name: space[name] for name in params},
        values=values,
        system_attrs={GENERATION: generation},
    )


def _drawn(
    study: Study,
    how: AnyConfig,
    space: dict[str, BaseDistribution],
    domain: Domain,
    rng: Random,
) -> Genotype:
    """A genotype that the sampler asks for, of what the study holds and the generator gives."""
    from optuna.exceptions import ExperimentalWarning
    from optuna.trial import TrialState

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.sampler = _sampler(how, rng.randrange(2**31))
        asked = study.ask(space)
    # What becomes of it, the history tells; no sampler looks at a trial that failed.
    study.tell(asked, state=TrialState.FAIL)
    params: dict[str, Any] = asked.params

    def pick(place: int, count: int) -> int:
        choice = int(params[str(place)])
        return choice if choice < count else rng.randrange(count)

    return domain.spell(pick)


def _sampler(how: AnyConfig, seed: int) -> BaseSampler:
    from optuna.samplers import GPSampler, NSGAIISampler, TPESampler

    if isinstance(how, TpeConfig):
        return TPESampler(n_startup_trials=1, seed=seed)
    if isinstance(how, GpConfig):
        return GPSampler(n_startup_trials=1, seed=seed)
    return NSGAIISampler(population_size=how.population, seed=seed)


KINDS = {TpeConfig: "tpe", GpConfig: "gp", Nsga2Config: "nsga2"}
"""Kinds of origin, by the options of the strategy."""
