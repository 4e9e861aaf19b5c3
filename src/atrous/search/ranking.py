"""Which architecture of a run goes on to the next stage."""

from __future__ import annotations

from collections.abc import Sequence

from atrous.core.errors import AtrousError
from atrous.core.trial import Measured, Trial
from atrous.search.ledger import Entry
from atrous.search.run import Run

AGAIN = "trial "
"""The origin of a re-ranked trial is this and the number of the search's trial."""


def ranked(entries: Sequence[Entry]) -> list[Measured]:
    """The outcomes with a score that are no baselines, best first."""
    outcomes = [e.outcome for e in entries if not e.trial.is_baseline]
    measured = [outcome for outcome in outcomes if isinstance(outcome, Measured)]
    return sorted(measured, key=lambda outcome: -outcome.score)


def winner(run: Run) -> Trial:
    """The trial of the search that was best when ranked again, or in the search if none was.

    Raises `AtrousError` if no trial has a score yet.
    """
    entries = run.ledger().entries()
    again = ranked(run.reranked())
    if again:
        number = int(again[0].trial.origin.removeprefix(AGAIN))
        return next(entry.trial for entry in entries if entry.trial.number == number)
    first = ranked(entries)
    if not first:
        raise AtrousError(f"Expected a trial with a score in {run.path}, but there is none yet.")
    return first[0].trial
