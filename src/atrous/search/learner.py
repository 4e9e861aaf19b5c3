"""A strategy with what it has learnt, which outlives the process."""

from __future__ import annotations

from contextlib import suppress
from random import Random

from atrous.search.history import History
from atrous.search.ledger import Ledger
from atrous.strategies.strategy import AnyStrategy, Domain, Proposal

EVERY = 50
"""The state is kept each time that it has learnt from so many more results."""


class Learner:
    """Brings the state of a strategy up to date before each proposal, and keeps it in the ledger.

    A state stands under the number of results that it was learnt from. After a resumption it goes
    on from there; if a proposal may know less than the kept state does, learning begins anew.
    """

    def __init__(self, strategy: AnyStrategy, ledger: Ledger) -> None:
        self._strategy, self._ledger = strategy, ledger
        self._learnt, self._state = 0, strategy.begin()
        if self._state is not None:
            with suppress(LookupError):
                self._learnt, self._state = ledger.kept(type(self._state))
        self._kept = self._learnt

    def propose(self, domain: Domain, history: History, rng: Random) -> Proposal:
        """Returns the next proposal; raises `ExhaustedError`."""
        self._learn(history)
        return self._strategy.propose(self._state, domain, history, rng)

    def finish(self, history: History) -> None:
        """Learns from the last results and keeps the state."""
        self._learn(history)
        self._keep()

    def _learn(self, history: History) -> None:
        if self._learnt > history.known:
            self._learnt, self._state = 0, self._strategy.begin()
        results = history.since(self._learnt)
        found = [result for result in results if not result.trial.is_baseline]
        if found:
            self._state = self._strategy.update(self._state, found)
        self._learnt += len(results)
        if self._learnt >= self._kept + EVERY:
            self._keep()

    def _keep(self) -> None:
        if self._state is not None and self._learnt != self._kept:
            self._ledger.keep(self._learnt, self._state)
            self._kept = self._learnt
