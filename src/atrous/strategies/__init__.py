"""Strategies, which say what to try next: one file per strategy. `STRATEGIES` is the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from atrous.core.errors import AtrousError
from atrous.core.strategy_config import GpConfig, Nsga2Config, StrategyOptions, TpeConfig
from atrous.strategies.controller import Controller
from atrous.strategies.evolution import Evolution
from atrous.strategies.local import LocalSearch
from atrous.strategies.renas import Renas
from atrous.strategies.sampled import Sampled
from atrous.strategies.strategy import AnyStrategy, Stateless
from atrous.strategies.surrogate import Surrogate
from atrous.strategies.uniform import uniform

TPE, GP, NSGA2 = TpeConfig(), GpConfig(), Nsga2Config()
STRATEGIES: Mapping[str, Callable[..., AnyStrategy]] = {
    "random": lambda: Stateless(uniform),
    "local": lambda: Stateless(LocalSearch()),
    "evolution": lambda *how: Stateless(Evolution(*how)),
    "surrogate": lambda *how: Stateless(Surrogate(*how)),
    "tpe": lambda how=TPE: Stateless(Sampled(how)),
    "gp": lambda how=GP: Stateless(Sampled(how)),
    "nsga2": lambda how=NSGA2: Stateless(Sampled(how)),
    "controller": Controller,
    "renas": Renas,
}
"""Makes each strategy of the record of its options, or of nothing for its defaults."""


def find_strategy(name: str, options: StrategyOptions | None = None) -> AnyStrategy:
    """Returns the strategy of this name, with its own of the options, or else its defaults; raises
    `AtrousError`."""
    if name not in STRATEGIES:
        raise AtrousError(f"Expected a strategy, got {name!r}. There are: {', '.join(STRATEGIES)}.")
    how = options.of(name) if options else None
    return STRATEGIES[name](*(() if how is None else (how,)))
