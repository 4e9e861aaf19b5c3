"""What to try next: one file per strategy. `STRATEGIES` is the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from atrous.core.errors import AtrousError
from atrous.strategies.local import LocalSearch
from atrous.strategies.strategy import Strategy
from atrous.strategies.uniform import UniformSearch

STRATEGIES: Mapping[str, Callable[[], Strategy]] = {"random": UniformSearch, "local": LocalSearch}


def find_strategy(name: str) -> Strategy:
    """The strategy of this name, with its default parameters."""
    if name not in STRATEGIES:
        raise AtrousError(f"Expected a strategy, got {name!r}. There are: {', '.join(STRATEGIES)}.")
    return STRATEGIES[name]()
