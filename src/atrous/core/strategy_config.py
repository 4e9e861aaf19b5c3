"""Options of the strategies that have any, a record each.

A strategy is made of its record and nothing else: `atrous.strategies.find_strategy`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from atrous.core.options import kind_of, option, part

MOST_TRIALS, MOST_DRAWS = 10**6, 10**4
"""Numbers that no search reaches, and no proposal can wait for."""


@dataclass(frozen=True)
class EvolutionConfig:
    """How regularised evolution goes about."""

    population: int = option("The latest so many trials are alive.", 50, least=1, below=MOST_TRIALS)
    tournament: int = option(
        "The best of so many of them, drawn by chance, is parent.", 25, least=1, below=MOST_TRIALS
    )
    initial: int = option(
        "Uniform proposals before the first child.", 10, least=0, below=MOST_TRIALS
    )


@dataclass(frozen=True)
class SurrogateConfig:
    """How a regression chooses among candidates."""

    model: Literal["ridge", "pairs"] = option(
        "ridge: of decisions and cost; pairs: of pairs of decisions, too.", "pairs"
    )
    pool: int = option(
        "Candidates a proposal, half of them near the best.", 32, least=1, below=MOST_DRAWS
    )
    parents: int = option("The best so many are mutated.", 5, least=1, below=MOST_DRAWS)
    curious: float = option("Standard deviations that a promise is above the mean.", 0.5, least=0)
    initial: int = option(
        "Uniform ones before the first model.", 10, least=2, below=MOST_TRIALS, flag="unmodelled"
    )
    progressive: int = option(
        "Trials after which the next quarter of the decisions is opened; 0: all are open.",
        0,
        least=0,
        below=MOST_TRIALS,
    )


@dataclass(frozen=True)
class TpeConfig:
    """How Optuna's tree-structured Parzen estimator goes about."""

    entries: int = option("The latest so many results are seen.", 200, least=1, below=MOST_TRIALS)
    retries: int = option("Draws before what was tried is mutated.", 3, least=1, below=MOST_DRAWS)
    initial: int = option(
        "Uniform proposals before the first of its own.", 10, least=0, below=MOST_TRIALS
    )


@dataclass(frozen=True)
class GpConfig:
    """How Optuna's Gaussian process goes about; its proposals take about a second."""

    entries: int = option("The latest so many results are seen.", 100, least=1, below=MOST_TRIALS)
    retries: int = option("Draws before what was tried is mutated.", 1, least=1, below=MOST_DRAWS)
    initial: int = option(
        "Uniform proposals before the first of its own.", 10, least=0, below=MOST_TRIALS
    )


@dataclass(frozen=True)
class Nsga2Config:
    """How Optuna's NSGA-II goes about."""

    population: int = option("Trials of a generation.", 20, least=2, below=MOST_TRIALS)
    entries: int = option("The latest so many results are seen.", 400, least=1, below=MOST_TRIALS)
    retries: int = option("Draws before what was tried is mutated.", 10, least=1, below=MOST_DRAWS)
    initial: int = option(
        "Uniform proposals before the first of its own.", 10, least=0, below=MOST_TRIALS
    )


@dataclass(frozen=True)
class ControllerConfig:
    """How a controller learns."""

    policy: Literal["table", "lstm"] = option(
        "A table of logits, or the LSTM, whose steps take a second a trial.", "table"
    )
    algorithm: Literal["ppo", "reinforce"] = option(
        "reinforce: a step a trial; ppo: 100, by the last 100.", "reinforce"
    )
    rate: float | None = option(
        "Of its optimiser.",
        None,
        derived="table: ppo 0.015, reinforce 0.15; lstm: 0.0003, 0.003",
        above=0,
    )
    entropy: float = option("How much the policy is kept from deciding.", 0.0, least=0)
    raw: bool = option("Compare scores with a moving average and standardise nothing.", False)


@dataclass(frozen=True)
class RenasConfig(EvolutionConfig):
    """How evolution with a learnt mutation goes about."""

    learn: Literal["policy", "table"] = option(
        "policy: by REINFORCE; table: the mean gain of each change, shrunk.", "table"
    )
    mutants: int = option("Children of a parent to choose from.", 16, least=1, below=MOST_DRAWS)


@dataclass(frozen=True)
class StrategyOptions:
    """The options of a strategy, under its name; the others have none."""

    evolution: EvolutionConfig | None = part(None, strategy="evolution")
    surrogate: SurrogateConfig | None = part(None, strategy="surrogate")
    tpe: TpeConfig | None = part(None, strategy="tpe", prefix="tpe-")
    gp: GpConfig | None = part(None, strategy="gp", prefix="gp-")
    nsga2: Nsga2Config | None = part(None, strategy="nsga2", prefix="nsga2-")
    controller: ControllerConfig | None = part(None, strategy="controller", prefix="controller-")
    renas: RenasConfig | None = part(None, strategy="renas", prefix="renas-")

    def of(self, strategy: str) -> Any:
        """Returns the options of a strategy, `None` if it has none."""
        return getattr(self, strategy, None)

    @classmethod
    def usual(cls, strategy: str) -> StrategyOptions:
        """Returns the options of a strategy where the user says nothing."""
        own = {each.name: kind_of(cls, each.name) for each in fields(cls) if each.name == strategy}
        return replace(cls(), **{name: kind() for name, kind in own.items()})

    def misplaced(self, strategy: str) -> list[str]:
        """Returns the names of other strategies whose options are here."""
        names = [each.name for each in fields(self) if each.name != strategy]
        return [name for name in names if self.of(name) is not None]
