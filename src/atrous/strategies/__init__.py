"""Strategies, which say what to try next: one file per strategy. `STRATEGIES` is the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from atrous.core.errors import AtrousError
from atrous.strategies.local import LocalSearch
from atrous.strategies.strategy import AnyStrategy, Stateless
from atrous.strategies.uniform import uniform

STRATEGIES: Mapping[str, Callable[[], AnyStrategy]] = {
    "random": lambda: Stateless(uniform),
    "local": lambda: Stateless(LocalSearch()),
}


def find_strategy(name: str) -> AnyStrategy:
    """Returns the strategy of this name, with its default parameters; raises `AtrousError`."""
    if name not in STRATEGIES:
        raise AtrousError(f"Expected a strategy, got {name!r}. There are: {', '.join(STRATEGIES)}.")
    return STRATEGIES[name]()
