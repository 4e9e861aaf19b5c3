"""Which architecture of a run goes on to the next stage."""

from __future__ import annotations

from collections.abc import Sequence

from atrous.core.errors import AtrousError
from atrous.core.trial import Trial
from atrous.search.ledger import Entry, Scored, scored
from atrous.search.run import Run


def ranked(entries: Sequence[Entry]) -> list[Scored]:
    """The trials with a score that are no baselines, best first."""
    proposed = [entry for entry in entries if not entry.trial.is_baseline]
    return sorted(scored(proposed), key=lambda found: -found.score)


def winner(run: Run) -> Trial:
    """The trial of the search that was best when ranked again, or in the search if none was.

    Raises `AtrousError` if no trial has a score yet.
    """
    entries = run.ledger().entries()
    again = ranked(run.reranked())
    if again:
        number = again[0].trial.origin.parents[0]
        return next(entry.trial for entry in entries if entry.trial.number == number)
    first = ranked(entries)
    if not first:
        raise AtrousError(f"Expected a trial with a score in {run.path}, but there is none yet.")
    return first[0].trial
