"""Files written whole or not at all, and locks that one process at a time holds."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from atrous.core.errors import AtrousError
from atrous.core.files import (
    HOST,
    PARTIAL,
    READY,
    STALE,
    hold,
    is_held,
    locate,
    replacing,
    require_place,
    scratch,
    settle,
    whole,
    whole_folder,
    write_whole,
)
from tests.processes import left_behind

WRITER = """
import sys
from pathlib import Path
from atrous.core.files import write_whole
turn = 0
while True:
    write_whole(Path(sys.argv[1]), str(turn % 10) * 300_000)
    turn += 1
    print(turn, flush=True)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_writer_killed_at_any_moment_leaves_a_whole_file_and_nothing_for_long(
    tmp_path: Path,
) -> None:
    path, rng = tmp_path / "run.json", Random(0)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for _ in range(20):
        command = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.uniform(0, 0.05))
            process.kill()
        text = path.read_text()
        assert text == text[0] * 300_000
        assert len(names(tmp_path)) <= 2, "what the process before left was not removed"
    with whole(tmp_path / "other") as partial:
        partial.write_text("the next writer, in a folder that it has not seen")
    assert names(tmp_path) == ["other", "run.json"]


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("dear")
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("run.json", "run.json.partial", ".run.json.partial", PARTIAL, "some.lock"):
        (folder / name).symlink_to(victim)
    write_whole(folder / "run.json", "new")
    assert (folder / "run.json").read_text() == "new"
    assert not (folder / "run.json").is_symlink()
    with pytest.raises(AtrousError, match="is a link"):
        hold(folder / "some.lock", "busy").__enter__()
    assert not is_held(folder / "some.lock")
    assert victim.read_text() == "dear"


def test_a_file_has_the_rights_that_any_new_file_has(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_whole(tmp_path / "whole", "text")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_folder_is_not_settled_from_a_linked_one(tmp_path: Path) -> None:
    other, folder = tmp_path / "other", tmp_path / "model"
    other.mkdir()
    folder.mkdir()
    (other / "model.json").write_text("somebody's")
    (folder / READY).symlink_to(other)
    settle(folder)
    assert locate(folder, "model.json") == folder / "model.json"
    assert names(other) == ["model.json"]
    assert names(folder) == [READY]


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_kept(
    tmp_path: Path,
) -> None:
    now = time.time()
    living = tmp_path / f"{PARTIAL}-{HOST}-{os.getpid()}-1"
    remote, old = (tmp_path / f"{PARTIAL}-ffffffff-1-{name}" for name in ("new", "old"))
    for path in (living, remote, old, left_behind(tmp_path)):
        path.touch()
    os.utime(old, (now, now - STALE - 60))
    left_behind(tmp_path, "folder").mkdir()
    (tmp_path / "kept").mkdir()
    left_behind(tmp_path, "link").symlink_to(tmp_path / "kept")
    write_whole(tmp_path / "run.json", "{}")
    assert names(tmp_path) == sorted(("kept", "run.json", living.name, remote.name))


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "set") as partial:
        (partial / "a").touch()
        assert not (tmp_path / "set").exists()
    with pytest.raises(LookupError), whole_folder(tmp_path / "failed"):
        raise LookupError
    with scratch(tmp_path) as folder:
        assert folder.is_dir()
    assert names(tmp_path) == ["set"]


def test_two_writers_of_a_folder_do_not_mix(tmp_path: Path) -> None:
    with replacing(tmp_path, ()) as one:
        with replacing(tmp_path, ()) as other:
            (other / "a").write_text("other")
            (other / "b").write_text("other")
        (one / "a").write_text("one")
    assert [(tmp_path / name).read_text() for name in "ab"] == ["one", "other"]


def test_a_lock_is_held_while_the_context_lasts(tmp_path: Path) -> None:
    path = tmp_path / "some.lock"
    assert not is_held(path)
    with hold(path, "busy"):
        assert is_held(path)
    assert not is_held(path)


def test_a_second_holder_is_told(tmp_path: Path) -> None:
    path = tmp_path / "some.lock"
    with hold(path, "busy"), pytest.raises(AtrousError, match=r"^busy$"):
        hold(path, "busy").__enter__()


def test_a_lock_is_free_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(LookupError), hold(tmp_path / "some.lock", "busy"):
        raise LookupError
    assert not is_held(tmp_path / "some.lock")


def test_a_lock_that_cannot_be_written_is_told_and_held_by_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "some.lock"
    assert not is_held(path)
    with pytest.raises(AtrousError, match=r"write to the folder .*file"):
        hold(path, "busy").__enter__()


def test_where_no_folder_can_be_made_is_told_before_anything_else(tmp_path: Path) -> None:
    require_place(tmp_path / "new" / "run", "a run")
    require_place(tmp_path, "a run")
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(AtrousError, match=r"a run to .*/file is a file\. Name a folder"):
            require_place(place, "a run")
