"""Files that one process at a time may write."""

from __future__ import annotations

from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.core.files import hold, is_held


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
