"""The results of a run, kept in an Optuna study of any database.

The driver of a search is the only writer; anyone may read, `optuna-dashboard` too. A result appears
when its job has ended, so that whatever is in the ledger is finished.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from datetime import timedelta
from math import isclose, isfinite
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote_to_bytes

import optuna
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.engine import URL, make_url

from atrous.core.errors import AtrousError
from atrous.core.records import (
    SEAL,
    Amount,
    Count,
    Finite,
    from_json,
    from_text,
    seal_of,
    to_json,
)
from atrous.core.trial import Failed, Measured, Outcome, Trial

STATE = "state"
"""The attribute of a study under which the state of its strategy is kept."""
EXACT = 1e-12
"""Databases of all kinds keep a score to so small a part of it."""


@dataclass(frozen=True)
class Entry:
    """An outcome, recorded when the search had lasted `elapsed` seconds, pauses left out.

    `score` is what the objective makes of the outcome's values, larger being better; `None` where
    it failed.
    """

    outcome: Outcome
    score: float | None
    elapsed: float

    @property
    def trial(self) -> Trial:
        """The trial that ended so."""
        return self.outcome.trial

    @property
    def key(self) -> tuple[int, int]:
        """The number of the trial and the level of the rung, which no other entry has."""
        return self.outcome.job.key


@dataclass(frozen=True)
class LedgerRow:
    """The attributes of a trial in the database; `outcome` is JSON, as the codec writes it."""

    record: Literal["measured", "failed"]
    number: Count
    level: Count
    architecture: str
    origin: str
    score: Finite | None
    elapsed: Amount
    outcome: str


@dataclass(frozen=True)
class Scored:
    """A measured trial and its score, larger being better."""

    measured: Measured
    score: float

    @property
    def trial(self) -> Trial:
        return self.measured.trial

    @property
    def values(self) -> Mapping[str, float]:
        return self.measured.values

    @property
    def standing(self) -> tuple[int, float]:
        """Rung, then score, larger being better: scores of different rungs do not compare."""
        return self.measured.job.rung.level, self.score


def scored(entries: Iterable[Entry]) -> list[Scored]:
    """Returns the trials that have a score, each on its highest rung, in the order of their first
    entries."""
    found: dict[int, Scored] = {}
    for e in entries:
        if isinstance(e.outcome, Measured) and e.score is not None:
            each, before = Scored(e.outcome, e.score), found.get(e.trial.number)
            if before is None or each.standing[0] > before.standing[0]:
                found[e.trial.number] = each
    return list(found.values())


def alike(found: Sequence[Scored]) -> list[Scored]:
    """Returns those on the highest rung that any is on: their scores compare."""
    top = max((each.standing[0] for each in found), default=0)
    return [each for each in found if each.standing[0] == top]


def has_rungs(entries: Iterable[Entry]) -> bool:
    """Whether trials were trained for several numbers of steps, whose scores do not compare."""
    return any(entry.outcome.job.rung.level for entry in entries)


def file_url(path: Path) -> str:
    """Returns the URL of a ledger in a file of its own.

    A path with bytes that are no characters is spelt as a URI, which SQLite reads by itself.
    """
    whole = quote(os.fsencode(path))
    held = any("\ud800" <= character <= "\udfff" for character in str(path))
    database, query = (f"file:{whole}", {"uri": "true"}) if held else (str(path), {})
    url = URL.create("sqlite", database=database, query=query)
    return url.render_as_string(hide_password=False)


def holds_results(url: str) -> bool:
    """Returns whether any study of a database has results; raises `AtrousError`."""
    with _guarded(url):
        return any(study.n_trials for study in optuna.get_all_study_summaries(url))


def is_there(url: str, study: str) -> bool:
    """Returns whether a database has a study of this name; raises `AtrousError`."""
    file = _file(url)
    if file is not None and not file.is_file():
        return False
    with _guarded(url):
        return study in optuna.get_all_study_names(url)


class Ledger:
    """One study of a database, which is opened from its URL; raises `AtrousError` if it cannot be.

    Opening makes nothing; `create` makes the study where there is none.
    """

    def __init__(self, url: str, study: str) -> None:
        self.url, self.study = url, study
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        file = _file(url)
        if file is not None and not file.is_file():
            raise AtrousError(
                f"Expected a ledger at {file}, but there is no such file. Name the folder of a run."
            )
        with _guarded(self.url):
            if file is not None:
                _require_sound(file)
            try:
                self._study = optuna.load_study(study_name=study, storage=url)
                return
            except KeyError:
                there = optuna.get_all_study_names(url)
        raise AtrousError(
            f"Expected the results of {study} in {_place(url)}, but it holds those of "
            f"{' and '.join(there) or 'no run'}: it is of another run. Put the run's own file "
            "there, or start a new run with --out."
        )

    @classmethod
    def create(cls, url: str, study: str) -> Ledger:
        """Opens a study, and makes it if there is none."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        file = _file(url)
        with _guarded(url):
            if file is not None and file.exists():
                _require_sound(file)
            optuna.create_study(
                storage=url, study_name=study, direction="maximize", load_if_exists=True
            )
        return cls(url, study)

    def record(self, entry: Entry, widths: Mapping[str, int]) -> None:
        """Adds an ended job, durably. `widths` names the decisions of its architecture and how many
        choices each had, in the order of its genotype."""
        trial = _to_optuna(entry, widths)
        with _guarded(self.url):
            self._study.add_trial(trial)

    def entries(self) -> list[Entry]:
        """Returns all results, by trial number and rung."""
        return sorted(self.recorded(), key=lambda entry: entry.key)

    def recorded(self) -> list[Entry]:
        """Returns all results, in the order in which they were recorded; the last of a job that was
        run again."""
        with _guarded(self.url):
            found = self._study.get_trials(deepcopy=False)
        ended = (t for t in found if t.state in (TrialState.COMPLETE, TrialState.FAIL))
        last: dict[tuple[int, int], Entry] = {}
        for entry in map(self._from_optuna, ended):
            last.pop(entry.key, None)
            last[entry.key] = entry
        return list(last.values())

    def keep(self, results: int, state: Any) -> None:
        """Keeps the state that a strategy has after so many results, in the place of the last."""
        kept = {"results": results, "state": to_json(state)}
        with _guarded(self.url):
            self._study.set_user_attr(STATE, {**kept, SEAL: seal_of(kept)})

    def kept(self, kind: type[Any]) -> tuple[int, Any]:
        """Returns the state that was kept, of this type, and after how many results; raises
        `LookupError` if there is none that can be read."""
        with _guarded(self.url):
            found = self._study.user_attrs.get(STATE, {})
        try:
            kept = {"results": found["results"], "state": found["state"]}
            if found[SEAL] != seal_of(kept):
                raise ValueError("it is not what was kept")
            return int(kept["results"]), from_json(kind, kept["state"])
        except (KeyError, TypeError, ValueError) as error:
            raise LookupError(f"no state of {kind.__name__}") from error

    def forget(self) -> None:
        """Removes all results of the study."""
        with _guarded(self.url):
            optuna.delete_study(study_name=self.study, storage=self.url)
            self._study = optuna.create_study(
                storage=self.url, study_name=self.study, direction="maximize"
            )

    def _from_optuna(self, found: FrozenTrial) -> Entry:
        try:
            return _require_consistent(_to_entry(found), found)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            lacks = isinstance(error, KeyError)
            raise AtrousError(
                f"Expected trial {found.user_attrs.get('number', found.number)} as this program "
                f"wrote it in row {found.number} of {_place(self.url)}, but "
                f"{f'it has no {error}' if lacks else error}. Restore the file from a copy, or "
                "start a new run with --out."
            ) from error


@contextmanager
def _guarded(url: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a damaged file makes Optuna fail in any way
        cause: BaseException = error
        while cause.__cause__:  # what the database itself says, not what its readers make of it
            cause = cause.__cause__
        reason = f"{type(cause).__name__}: {cause}".splitlines()[0]
        raise AtrousError(
            f"Expected to read and write the ledger {_place(url)}, but: {reason}. If the file is "
            "damaged, restore it from a copy or start a new run with --out; if the folder is "
            "read-only or full, move the run to another disk."
        ) from error


def _file(url: str) -> Path | None:
    """Returns the file that a URL names, if it is one of SQLite."""
    found = make_url(url)
    if found.drivername != "sqlite" or not found.database:
        return None
    if "uri" in found.query:
        return Path(os.fsdecode(unquote_to_bytes(found.database.removeprefix("file:"))))
    return Path(found.database)


def _place(url: str) -> str:
    """Returns what a person calls the place: a path, or a URL without its password."""
    return str(_file(url) or make_url(url).render_as_string(hide_password=True))


def _require_sound(path: Path) -> None:
    """Raises `sqlite3.Error` for damage; what a killed writer left half done is undone."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as connection:
        (verdict,) = connection.execute("PRAGMA quick_check").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"the file is damaged ({verdict.splitlines()[0]})")


def _to_optuna(entry: Entry, widths: Mapping[str, int]) -> FrozenTrial:
    _require_finite(entry)
    outcome, trial = entry.outcome, entry.trial
    chosen = dict(zip(widths, trial.architecture.genotype, strict=True))
    free = {name: count for name, count in widths.items() if count > 1}
    distributions: dict[str, BaseDistribution] = {
        k: IntDistribution(0, n - 1) for k, n in free.items()
    }
    measured = isinstance(outcome, Measured)
    params = {name: chosen[name] for name in free}
    row = LedgerRow(
        record="measured" if measured else "failed",
        number=trial.number,
        level=outcome.job.rung.level,
        architecture=str(trial.architecture),
        origin=str(trial.origin),
        score=entry.score,
        elapsed=round(entry.elapsed, 3),
        outcome=json.dumps(to_json(outcome)),
    )
    attributes = to_json(row)
    found = create_trial(
        state=TrialState.COMPLETE if measured else TrialState.FAIL,
        value=entry.score,
        params=params,
        distributions=distributions,
        user_attrs={**attributes, SEAL: seal_of((attributes, params))},
    )
    if found.datetime_complete is not None:
        found.datetime_start = found.datetime_complete - timedelta(seconds=outcome.seconds)
    return found


def _require_finite(entry: Entry) -> None:
    """Raises `ValueError` for a number that JSON does not know."""
    values = entry.outcome.values if isinstance(entry.outcome, Measured) else {}
    for name, value in {**values, "score": 0.0 if entry.score is None else entry.score}.items():
        if not isfinite(value):
            raise ValueError(f"JSON has no {value}, which is the {name} of {entry.trial}")


def _to_entry(found: FrozenTrial) -> Entry:
    names = {each.name for each in fields(LedgerRow)}
    attributes = {name: value for name, value in found.user_attrs.items() if name in names}
    if found.user_attrs[SEAL] != seal_of((attributes, found.params)):
        raise ValueError("its seal says that it was changed after the trial had ended")
    row = from_json(LedgerRow, attributes)
    kind: type[Outcome] = Measured if row.record == "measured" else Failed
    return Entry(from_text(kind, row.outcome), row.score, row.elapsed)


def _require_consistent(entry: Entry, found: FrozenTrial) -> Entry:
    """Returns the entry itself; raises `ValueError` if what is kept twice differs."""
    kept = found.user_attrs
    pairs = (
        ("record", found.state is TrialState.COMPLETE, isinstance(entry.outcome, Measured)),
        ("number", (kept["number"], kept["level"]), entry.key),
        ("architecture", kept["architecture"], str(entry.trial.architecture)),
    )
    for name, expected, got in pairs:
        if expected != got:
            raise ValueError(f"the {name} is {expected} in one place and {got} in another")
    if not _agree(found.value, entry.score):
        raise ValueError(f"the score is {entry.score} in one place and {found.value} in another")
    return entry


def _agree(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return first is second
    return isclose(first, second, rel_tol=EXACT)
