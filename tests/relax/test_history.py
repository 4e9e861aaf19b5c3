"""The history of a search as a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.relax.history import read_history, write_history
from tests.relax.moments import moment


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    later = replace(moment(200), miou=0.31, eigenvalue=-2.5, architecture_loss=1.25)
    write_history(path, [moment(100), later])
    assert read_history(path) == [moment(100), later]
    assert path.read_text().count("\n") == 2


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"step": 1, "alpha": [], "beta": []}'])
def test_a_line_that_is_no_moment_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(moment().to_line() + line + "\n")
    with pytest.raises(AtrousError, match=r"line 2 of .*history\.jsonl"):
        read_history(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match=r"history\.jsonl"):
        read_history(tmp_path / "history.jsonl")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match="Make room"):
        write_history(tmp_path / "missing" / "history.jsonl", [moment()])
