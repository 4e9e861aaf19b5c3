"""A run's folder: made once, read back as it was, held by one writer."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from atrous.core.errors import AtrousError
from atrous.core.options import replaced
from atrous.core.strategy_config import EvolutionConfig, StrategyOptions
from atrous.search.ledger import Ledger, file_url
from atrous.search.run import (
    ABOUT,
    LEDGER,
    Run,
    create_run,
    latest_run,
    machine,
    open_run,
    software,
)
from tests.processes import eventually
from tests.records import CONFIG, CONTEXT, SETTINGS, measured, widths

BEGINNER = """
import sys, time
from pathlib import Path
from atrous.core.errors import AtrousError
from atrous.search.run import create_run
from tests.records import CONTEXT, SETTINGS
print("ready", flush=True)
for turn, moment in enumerate(map(float, sys.stdin.readline().split())):
    time.sleep(max(0.0, moment - time.time()))
    try:
        create_run(Path(sys.argv[1], str(turn)), SETTINGS, CONTEXT)
        print("begun")
    except AtrousError as error:
        print(error)
"""

HOLDER = """
import sys, time
from pathlib import Path
from atrous.search.run import open_run
with open_run(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return create_run(tmp_path / "run", SETTINGS, CONTEXT)


@contextmanager
def another_process_in(run: Run) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", HOLDER, str(run.path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("seconds", [None, 90.5])
def test_a_run_is_read_back_as_it_was_made(tmp_path: Path, seconds: float | None) -> None:
    settings = replace(
        SETTINGS, config=replaced(CONFIG, time=seconds, data="/ein Ordner/ü", crop=(65, 97))
    )
    made = create_run(tmp_path / "deep" / "run", settings, CONTEXT)
    assert open_run(made.path) == made
    assert (made.settings, made.context) == (settings, CONTEXT)
    assert made.ledger().entries() == []


def test_a_run_is_not_made_over_another(run: Run) -> None:
    before = (run.path / ABOUT).read_text()
    with pytest.raises(AtrousError, match=r"a run in .*--resume .*--out"):
        create_run(run.path, replace(SETTINGS, threads=9), CONTEXT)
    assert (run.path / ABOUT).read_text() == before


def test_trials_of_another_run_are_not_taken_over(run: Run) -> None:
    run.ledger().record(measured(0), widths(measured(0)))
    (run.path / ABOUT).unlink()
    with pytest.raises(AtrousError, match=r"trials of another run in .*ledger\.db.*--out"):
        create_run(run.path, SETTINGS, CONTEXT)
    assert not (run.path / ABOUT).exists()


def test_what_an_interrupted_beginning_left_is_used(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    Ledger.create(file_url(tmp_path / "run" / LEDGER), "search")
    (tmp_path / "run" / f"{ABOUT}.partial").write_text("{")
    made = create_run(tmp_path / "run", SETTINGS, CONTEXT)
    assert open_run(made.path) == made


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(AtrousError, match=r"write a run to .*file.*--out"):
            create_run(path, SETTINGS, CONTEXT)


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(AtrousError, match=r"Expected a run at .*no such file"):
            open_run(path)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "7", "\x00", '{"format": 9}', '{"format": 9, "settings": []}'),
        '{"format": 9, "settings": {"config": []}}',
    ],
)
def test_damaged_settings_are_named(run: Run, text: str) -> None:
    (run.path / ABOUT).write_text(text)
    with pytest.raises(AtrousError, match=r"the record of a run in .*run\.json, but: .*Restore"):
        open_run(run.path)


def edited(run: Run, **changes: object) -> Path:
    about = run.path / ABOUT
    about.write_text(json.dumps(json.loads(about.read_text()) | changes))
    return run.path


def test_fields_that_do_not_fit_are_named(run: Run) -> None:
    settings = json.loads((run.path / ABOUT).read_text())["settings"]
    settings |= {"magic": 1, "workers": "two"}
    del settings["config"]["data"]["path"]
    with pytest.raises(AtrousError) as told:
        open_run(edited(run, settings=settings))
    for field in ("settings.magic: ", "settings.workers: ", "settings.config.data.path: "):
        assert field in str(told.value)


@pytest.mark.parametrize("other", [1, 5, None])
def test_a_run_of_another_version_is_refused(run: Run, other: object) -> None:
    with pytest.raises(
        AtrousError, match=rf"has format {other} there, and this version reads format 9"
    ):
        open_run(edited(run, format=other))


def test_a_run_is_held_by_one_process(run: Run) -> None:
    assert not run.is_running()
    with run.locked():
        assert run.path.exists()
    with another_process_in(run) as other:
        assert run.is_running()
        with pytest.raises(AtrousError, match=r"Another process is searching.*atrous status"):
            run.locked().__enter__()
        other.kill()
        assert eventually(lambda: not run.is_running())
        with run.locked():
            pass


@pytest.mark.slow
def test_of_two_that_begin_a_run_at_once_one_is_told_of_the_other(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", BEGINNER, str(tmp_path)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both: list[Any] = [subprocess.Popen(command, env=environment, **pipes) for _ in "ab"]
    assert [each.stdout.readline() for each in both] == ["ready\n"] * 2
    moments = " ".join(str(time.time() + 0.5 + turn) for turn in range(6))
    for each in both:
        each.stdin.write(f"{moments}\n")
        each.stdin.flush()
    said = [each.communicate()[0].splitlines() for each in both]
    for turn, words in enumerate(map(sorted, zip(*said, strict=True))):
        assert words[1] == "begun"
        assert re.fullmatch(r"Another process (is searching|has begun a run) in .*", words[0])
        assert open_run(tmp_path / str(turn)).ledger().entries() == []
    assert turn == 5


def test_a_run_is_free_after_an_error(run: Run) -> None:
    with pytest.raises(LookupError), run.locked():
        raise LookupError
    assert not run.is_running()
    with run.locked():
        pass


def test_the_latest_run_is_the_one_that_began_last(tmp_path: Path) -> None:
    for number, name in enumerate(("b", "c", "a")):
        made = create_run(tmp_path / name, SETTINGS, CONTEXT)
        os.utime(made.path / ABOUT, (1000 + number, 1000 + number))
    (tmp_path / "z").mkdir()
    assert latest_run(tmp_path) == tmp_path / "a"


def test_no_latest_run_is_told(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(AtrousError, match=r"Expected a run in .*there is none"):
            latest_run(folder)


def test_what_a_run_was_made_on_is_known() -> None:
    assert {"atrous", "torch", "timm", "optuna"} <= software().keys()
    assert all(software().values())
    assert machine().count(", ") >= 1


def test_options_of_another_strategy_than_its_own_are_named(tmp_path: Path) -> None:
    config = replace(SETTINGS.config, options=StrategyOptions.usual("evolution"))
    wrong = replaced(config, strategy="random")
    create_run(tmp_path / "wrong", replace(SETTINGS, config=wrong), CONTEXT)
    with pytest.raises(
        AtrousError, match=r"options\.evolution: is there for the strategy evolution"
    ):
        open_run(tmp_path / "wrong")
    right = replaced(config, strategy="evolution", population=7)
    made = create_run(tmp_path / "right", replace(SETTINGS, config=right), CONTEXT)
    assert open_run(made.path) == made
    assert made.config.options.evolution == EvolutionConfig(population=7)
