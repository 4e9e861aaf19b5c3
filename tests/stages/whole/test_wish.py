"""What a whole run was asked for is kept and comes back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from atrous.core.errors import AtrousError
from atrous.core.options import replaced
from atrous.stages.whole.wish import WISH, Wish, read_wish, write_wish
from tests.records import CONFIG

ASKED = Wish(replaced(CONFIG, time=5400.0), batch=6, crop=(257, 513))


@pytest.mark.parametrize(
    "wish",
    [
        ASKED,
        replace(ASKED, crop=None),
        replace(ASKED, config=replaced(CONFIG, time=None, crop=(65, 97), baselines=())),
    ],
)
def test_a_wish_comes_back_as_it_was(wish: Wish, tmp_path: Path) -> None:
    write_wish(ASKED, tmp_path / "new" / "run")
    write_wish(wish, tmp_path / "new" / "run")
    assert read_wish(tmp_path / "new" / "run") == wish
    assert [path.name for path in (tmp_path / "new" / "run").iterdir()] == [WISH]


@pytest.mark.parametrize(
    "damage",
    [
        {"batch": "several"},
        {"batch": None},
        {"crop": [65]},
        {"crop": []},
        {"crop": 65},
        {"crop": [65, None]},
        {"config": []},
        {"config": {"data": "here"}},
        {"config": None},
    ],
    ids=str,
)
def test_a_damaged_wish_is_told(tmp_path: Path, damage: dict[str, Any]) -> None:
    write_wish(ASKED, tmp_path)
    path = tmp_path / WISH
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(AtrousError, match=f"was asked for in {path}, but: .*Restore the file"):
        read_wish(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "1", '"wish"', "null"])
def test_what_is_no_wish_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / WISH).write_text(content)
    with pytest.raises(AtrousError, match="Expected what a whole run was asked for in"):
        read_wish(tmp_path)


def test_a_wish_of_another_version_is_refused(tmp_path: Path) -> None:
    for content in ("{}", '{"format": 1}'):
        (tmp_path / WISH).write_text(content)
        with pytest.raises(AtrousError, match="written by another version of Atrous"):
            read_wish(tmp_path)


def test_a_folder_without_a_wish_is_told(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match=f"Expected a whole run at {tmp_path}: a folder with"):
        read_wish(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(AtrousError, match="Name a folder that can be written"):
        write_wish(ASKED, tmp_path / "file" / "run")
