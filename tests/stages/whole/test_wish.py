"""What a whole run was asked for is kept and comes back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from atrous.core.errors import AtrousError
from atrous.core.options import replaced
from atrous.core.stage_config import TrainingConfig, WholeConfig
from atrous.stages.whole.request import WHOLE, WIDE, keep, kept, usual
from tests.records import CONFIG

ASKED = WholeConfig(replaced(CONFIG, time=5400.0), TrainingConfig(batch=6, crop=(257, 513)))


def test_more_time_goes_into_wider_decoders_that_read_finer_maps() -> None:
    short, long = usual("fast_dense", WIDE - 1).search, usual("fast_dense", WIDE).search
    assert (short.proxy.filters, short.encoder.finest_stride) == (32, None)
    assert (long.proxy.filters, long.encoder.finest_stride) == (64, 4)
    assert usual("dpc", WIDE).search.proxy.filters == usual("dpc", WIDE - 1).search.proxy.filters


@pytest.mark.parametrize(
    "wish",
    [
        ASKED,
        replaced(ASKED, crop=None),
        replace(ASKED, search=replaced(CONFIG, time=None, crop=(65, 97), baselines=())),
    ],
)
def test_a_wish_comes_back_as_it_was(wish: WholeConfig, tmp_path: Path) -> None:
    keep(ASKED, tmp_path)
    keep(wish, tmp_path)
    assert kept(tmp_path) == wish
    assert [path.name for path in tmp_path.iterdir()] == [WHOLE]


@pytest.mark.parametrize(
    "damage",
    [
        {"training": {"batch": "several"}},
        {"training": {"batch": None}},
        {"training": {"crop": [65]}},
        {"training": {"crop": 65}},
        {"training": {"crop": [65, None]}},
        {"search": []},
        {"search": {"data": "here"}},
        {"search": None},
    ],
    ids=str,
)
def test_a_damaged_wish_is_told(tmp_path: Path, damage: dict[str, Any]) -> None:
    keep(ASKED, tmp_path)
    path = tmp_path / WHOLE
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(AtrousError, match=f"was asked for in {path}, but: .*Restore the file"):
        kept(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "1", '"wish"', "null"])
def test_what_is_no_wish_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / WHOLE).write_text(content)
    with pytest.raises(AtrousError, match="Expected what a whole run was asked for in"):
        kept(tmp_path)


def test_a_wish_of_another_version_is_refused(tmp_path: Path) -> None:
    for content in ("{}", '{"format": 2}'):
        (tmp_path / WHOLE).write_text(content)
        with pytest.raises(AtrousError, match="written by another version of Atrous"):
            kept(tmp_path)


def test_a_folder_without_a_wish_is_told(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match=f"Expected a whole run at {tmp_path}: a folder with"):
        kept(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(AtrousError, match="name a folder that can be written"):
        keep(ASKED, tmp_path / "file" / "run")
