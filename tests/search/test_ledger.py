"""The ledger: what goes in comes out, whatever happens to the writer; damage is told in words."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import optuna
import pytest

from atrous.core.errors import AtrousError
from atrous.core.records import SEAL, seal_of
from atrous.core.trial import Measured, Reason
from atrous.search.ledger import Entry, Ledger, file_url
from tests.records import failed, measured, widths

ENTRIES = [
    measured(0, score=0.1 + 0.2, elapsed=12.345),
    *(failed(n, reason, f"[{reason.value}] 'ü' %s {{}}") for n, reason in enumerate(Reason, 1)),
    measured(5, score=-1e-300),
]

WRITER = """
import sys
from pathlib import Path
from atrous.search.ledger import Ledger, file_url
from tests.records import measured, widths

ledger, number = Ledger(file_url(Path(sys.argv[1])), "search"), int(sys.argv[2])
while True:
    entry = measured(number)
    ledger.record(entry, widths(entry))
    print(number, flush=True)
    number += 1
"""


def opened(path: Path) -> Ledger:
    return Ledger(file_url(path), "search")


def create(path: Path) -> Ledger:
    return Ledger.create(file_url(path), "search")


def write(path: Path, entries: list[Entry]) -> Ledger:
    ledger = create(path)
    for entry in entries:
        ledger.record(entry, widths(entry))
    return ledger


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    write(path, ENTRIES)
    return path


@pytest.fixture
def path(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(written, tmp_path / "ledger.db"))


def test_entries_come_back_as_they_were(path: Path) -> None:
    assert opened(path).entries() == ENTRIES


def test_entries_come_by_trial_number(tmp_path: Path) -> None:
    ledger = write(tmp_path / "ledger.db", [measured(2), measured(0), failed(1, Reason.ERROR)])
    assert [entry.trial.number for entry in ledger.entries()] == [0, 1, 2]


def test_a_reader_sees_what_is_recorded_meanwhile(path: Path) -> None:
    reader, writer = opened(path), opened(path)
    before = len(reader.entries())
    writer.record(measured(9), widths(measured(9)))
    assert len(reader.entries()) == before + 1


def test_it_is_an_optuna_study(path: Path) -> None:
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{path}")
    best = study.best_trial
    assert best.value == 0.1 + 0.2
    genotype = ENTRIES[0].trial.architecture.genotype
    named = dict(zip(widths(ENTRIES[0]), genotype, strict=True))
    assert best.params == {name: c for name, c in named.items() if name != "branch 0 input"}
    assert best.user_attrs["architecture"] == str(ENTRIES[0].trial.architecture)
    states = [trial.state.name for trial in study.get_trials()]
    assert states == ["COMPLETE", "FAIL", "FAIL", "FAIL", "FAIL", "COMPLETE"]


@pytest.mark.parametrize("name", ["a b", "half%20", "what?", "n#1", "{x}", "ü", "[b]"])
def test_the_path_may_hold_any_sign(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    write(folder / "ledger.db", ENTRIES[:1])
    assert [path.name for path in folder.iterdir()] == ["ledger.db"]
    assert opened(folder / "ledger.db").entries() == ENTRIES[:1]


def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match=r"no such file.*Name the folder of a run"):
        opened(tmp_path / "ledger.db")
    assert not list(tmp_path.iterdir())


def test_a_ledger_of_another_run_is_told(tmp_path: Path) -> None:
    create(tmp_path / "ledger.db")
    with pytest.raises(AtrousError, match=r"results of theirs in .*ledger\.db, .* of another run"):
        Ledger(file_url(tmp_path / "ledger.db"), "theirs")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way of a folder")
    with pytest.raises(AtrousError, match=r"file/ledger\.db.*move the run"):
        create(tmp_path / "file" / "ledger.db")


def test_a_read_only_ledger_can_be_read_and_says_so_when_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def read_only(database: str, *args: object, **kwargs: object) -> sqlite3.Connection:
        uri = f"{Path(database).as_uri()}?mode=ro"
        return connect(uri, *args, **{**kwargs, "uri": True})  # type: ignore

    monkeypatch.setattr("sqlite3.dbapi2.connect", read_only)
    monkeypatch.setattr("optuna.storages._rdb.storage.time.sleep", lambda _: None)
    ledger = opened(path)
    assert ledger.entries() == ENTRIES
    with pytest.raises(AtrousError, match=r"readonly.*read-only or full, move the run"):
        ledger.record(measured(9), widths(measured(9)))


def test_a_full_disk_is_told_in_the_words_of_the_database(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def full(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)
        connection.execute("PRAGMA max_page_count = 1")  # which is: no more than there are
        return connection

    monkeypatch.setattr("sqlite3.dbapi2.connect", full)
    monkeypatch.setattr("optuna.storages._rdb.storage.time.sleep", lambda _: None)
    ledger, known = opened(path), {entry.trial.number for entry in ENTRIES}
    told = r"but: OperationalError: database or disk is full\. .* move the run to another disk"

    def fill() -> None:
        for number in range(20, 220):
            ledger.record(measured(number), widths(measured(number)))
            known.add(number)

    with pytest.raises(AtrousError, match=told):
        fill()
    assert {entry.trial.number for entry in opened(path).entries()} == known


def scramble(content: bytearray) -> None:
    content[:] = Random(0).randbytes(len(content))


def empty_the_middle(content: bytearray) -> None:
    quarter = len(content) // 4
    content[quarter : 3 * quarter] = bytes(2 * quarter)


def cut(content: bytearray) -> None:
    del content[len(content) // 2 :]


@pytest.mark.parametrize("damage", [scramble, empty_the_middle, cut])
def test_a_damaged_file_is_named(path: Path, damage: Callable[[bytearray], None]) -> None:
    content = bytearray(path.read_bytes())
    damage(content)
    path.write_bytes(content)
    with pytest.raises(AtrousError, match=r"ledger\.db.*restore it from a copy.*--out"):
        opened(path).entries()


@pytest.mark.filterwarnings("ignore")
def test_single_flipped_bytes_end_in_words_or_in_nothing(path: Path) -> None:
    """What a flip does is SQLite's to find; none may end in an error of another kind."""
    sound, rng = path.read_bytes(), Random(1)
    refused = 0
    for _ in range(24):
        content = bytearray(sound)
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        try:
            opened(path).entries()
        except AtrousError:
            refused += 1
    assert refused


def attributes(path: Path) -> dict[str, Any]:
    """The attributes of the first trial."""
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT key, value_json FROM trial_user_attributes WHERE trial_id = 1"
        return {key: json.loads(text) for key, text in connection.execute(query)}


def rewrite(path: Path, changes: Mapping[str, object]) -> None:
    """Changes attributes of the first trial as someone with an editor would."""
    update = "UPDATE trial_user_attributes SET value_json = ? WHERE trial_id = 1 AND key = ?"
    with closing(sqlite3.connect(path)) as connection:
        for key, value in changes.items():
            connection.execute(update, (json.dumps(value), key))
        connection.commit()


def edit(path: Path, change: Callable[[dict[str, Any]], object], sealed: bool) -> None:
    """Changes the record of the first trial, and its seal if asked."""
    before = attributes(path)
    changed = {"outcome": json.dumps(change(json.loads(before["outcome"])))}
    rewrite(path, changed)
    if sealed:
        params = opened(path)._study.get_trials()[0].params
        rest = {k: v for k, v in {**before, **changed}.items() if k != SEAL}
        rewrite(path, {SEAL: seal_of((rest, params))})


def with_trial(fields: dict[str, Any], **changes: object) -> dict[str, object]:
    job = fields["job"]
    return {**fields, "job": {**job, "trial": {**job["trial"], **changes}}}


@pytest.mark.parametrize(
    "change",
    [
        lambda _: "nonsense",
        lambda _: [1, 2],
        lambda fields: {**fields, "job": 7},
        lambda fields: {**fields, "values": {"miou": "high"}},
        lambda fields: {**fields, "unknown": 1},
        lambda fields: {**fields, "details": {"class_iou": 1}},
        lambda fields: {**fields, "job": {**fields["job"], "rung": {"level": 1, "steps": 400}}},
        lambda fields: with_trial(fields, number=3),
        lambda fields: with_trial(fields, architecture={"space": "dpc", "genotype": ["a"]}),
    ],
)
@pytest.mark.parametrize("sealed", [False, True])
def test_an_edited_record_is_named(
    path: Path, change: Callable[[dict[str, Any]], object], sealed: bool
) -> None:
    edit(path, change, sealed)
    with pytest.raises(AtrousError, match=r"row 0 of .*ledger\.db.*Restore the file.*--out"):
        opened(path).entries()


def test_no_changed_digit_goes_unnoticed(path: Path) -> None:
    """Every digit of every attribute, the score of Optuna's own column and every choice."""
    sound, changed = path.read_bytes(), 0
    for key, value in attributes(path).items():
        text = json.dumps(value)
        for place in (n for n, sign in enumerate(text) if sign.isdecimal()):
            digit = "1" if text[place] != "1" else "2"
            other = f"{text[:place]}{digit}{text[place + 1 :]}"
            if changed % 13 == 0:  # opening costs much
                path.write_bytes(sound)
                with suppress(ValueError):
                    rewrite(path, {key: json.loads(other)})
                    with pytest.raises(AtrousError, match=r"trial \d+ .*ledger\.db"):
                        opened(path).entries()
            changed += 1
    assert changed > 150
    for column in (
        "UPDATE trial_values SET value = value + 1e-9 WHERE trial_id = 1",
        "UPDATE trial_params SET param_value = 1 - param_value WHERE trial_id = 1",
        "UPDATE trials SET state = 'FAIL' WHERE trial_id = 1",
        "DELETE FROM trial_user_attributes WHERE trial_id = 1 AND key = 'seal'",
    ):
        path.write_bytes(sound)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(column)
            connection.commit()
        with pytest.raises(AtrousError, match=r"trial 0 .*ledger\.db.*(seal|score|record)"):
            opened(path).entries()


def test_a_score_that_is_no_number_is_not_written(tmp_path: Path) -> None:
    ledger = write(tmp_path / "ledger.db", [])
    outcome = measured(0).outcome
    assert isinstance(outcome, Measured)
    values = {**outcome.values, "cross_entropy": float("nan")}
    with pytest.raises(ValueError, match="JSON"):
        ledger.record(
            replace(measured(0), outcome=replace(outcome, values=values)), widths(measured(0))
        )
    assert ledger.entries() == []


def test_what_a_killed_writer_left_half_done_is_undone(tmp_path: Path) -> None:
    entries = [measured(n) for n in range(60)]
    write(tmp_path / "ledger.db", entries)
    killed = tmp_path / "killed"
    killed.mkdir()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("UPDATE trial_user_attributes SET value_json = value_json || 'half'")
        for path in tmp_path.glob("ledger.db*"):
            shutil.copy(path, killed)
    assert {path.name for path in killed.iterdir()} == {"ledger.db", "ledger.db-journal"}
    assert (killed / "ledger.db").read_bytes() != (tmp_path / "ledger.db").read_bytes()
    assert opened(killed / "ledger.db").entries() == entries


@pytest.mark.slow
def test_killing_the_writer_loses_no_trial(tmp_path: Path) -> None:
    path, rng, done = tmp_path / "ledger.db", Random(2), 0
    create(path)
    root = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
    for _ in range(3):
        command = [sys.executable, "-c", WRITER, str(path), str(done)]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(rng.randint(2, 15)):
                process.stdout.readline()
            process.kill()
            said = [line for line in process.stdout.read().split("\n") if line]
        found = opened(path).entries()
        assert found == [measured(number) for number in range(len(found))]
        assert not said or len(found) > int(said[-1])
        done = len(found)
    assert done >= 6
