"""The history of a search as a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.core.records import to_json
from atrous.relax.collapse import entropy_share, read_history, write_history
from tests.relax.snapshots import snapshot


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    later = replace(snapshot(200), eigenvalue=-2.5, architecture_loss=1.25)
    write_history(path, [snapshot(100), later])
    assert read_history(path) == [snapshot(100), later]
    assert path.read_text().count("\n") == 2


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"step": 1, "probabilities": {}}'])
def test_a_line_that_is_no_snapshot_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(json.dumps(to_json(snapshot())) + "\n" + line + "\n")
    with pytest.raises(AtrousError, match=r"line 2 of .*history\.jsonl"):
        read_history(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match=r"history\.jsonl"):
        read_history(tmp_path / "history.jsonl")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match="Make room"):
        write_history(tmp_path / "missing" / "history.jsonl", [snapshot()])


def test_equal_probabilities_are_most_undecided() -> None:
    assert entropy_share([[1 / 8] * 8] * 20) == pytest.approx(1)


def test_a_decided_choice_has_none() -> None:
    assert entropy_share([[1 / 8] * 8, [0.0, 1.0, *[0.0] * 6]]) == pytest.approx(1 / 2)


def test_each_choice_is_measured_by_its_own_length() -> None:
    assert entropy_share([[1 / 2] * 2, [1 / 2] * 2, [1 / 3] * 3]) == pytest.approx(1)
    assert entropy_share([[1.0, 0.0], [1 / 2] * 2, [1 / 3] * 3]) == pytest.approx(2 / 3)
