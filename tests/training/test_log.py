"""The log of a training."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.training.log import BOARD, LOG, Log, read_log


def test_lines_are_kept_up_to_a_step(tmp_path: Path) -> None:
    log = Log(tmp_path, 0, tensorboard=False)
    for step in (2, 4, 6):
        log.add(step, {"loss": 1 / step})
    assert read_log(tmp_path) == [{"step": s, "loss": 1 / s} for s in (2, 4, 6)]
    Log(tmp_path, 4, tensorboard=False).add(5, {"loss": 9.0})
    assert [line["step"] for line in read_log(tmp_path)] == [2, 4, 5]


def test_no_log_is_an_empty_one(tmp_path: Path) -> None:
    assert read_log(tmp_path) == []


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"loss": 1}', b'{"step": "x"}', b"\xff\xfe"])
def test_a_strange_line_is_told(tmp_path: Path, line: bytes) -> None:
    (tmp_path / LOG).write_bytes(b'{"step": 1}\n' + line + b"\n")
    with pytest.raises(AtrousError, match="in line 2 of"):
        read_log(tmp_path)


def test_tensorboard_hears_of_it_too(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = Log(tmp_path, 0, tensorboard=True)
    log.add(3, {"loss": 0.5, "miou": 0.25})
    found = reader.EventAccumulator(str(tmp_path / BOARD)).Reload()
    assert [(event.step, event.value) for event in found.Scalars("miou")] == [(3, 0.25)]


def test_a_missing_tensorboard_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(AtrousError, match=r"pip install 'atrous\[tensorboard\]'"):
        Log(tmp_path, 0, tensorboard=True)
