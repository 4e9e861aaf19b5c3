"""Checkpoints: whole or not at all, and refused in a sentence."""

from __future__ import annotations

import errno
import json
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
import torch
from safetensors.torch import save_file

from atrous.core.errors import AtrousError
from atrous.core.records import SEAL
from atrous.core.trial import Score
from atrous.training.checkpoint import (
    BOARD,
    FORMAT,
    LOG,
    Checkpoint,
    Log,
    load,
    read_log,
    refill,
    save,
)

ONE = Checkpoint({"network.a": torch.arange(5000.0)}, {"step": 3, "best": {"score": 1 / 3}})
OTHER = Checkpoint({"network.a": torch.zeros(5000)}, {"step": 4})


@contextmanager
def no_room(most: int = 4096) -> Iterator[None]:
    """The system lets no file grow beyond so many bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    last = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    tensors = {
        "network.a": last,
        "momentum.a": torch.tensor(7),
        "network.b.c": torch.ones(2).half(),
    }
    save(Checkpoint(tensors, ONE.record), tmp_path / "new" / "one")
    found = load(tmp_path / "new" / "one")
    assert found.record == ONE.record
    assert all(torch.equal(found.tensors[name], value) for name, value in tensors.items())
    assert found.under("network").keys() == {"a", "b.c"}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["one"]


def test_a_full_disk_leaves_the_file_before(tmp_path: Path) -> None:
    path = tmp_path / "one"
    save(ONE, path)
    with no_room(), pytest.raises(AtrousError, match="What was written there before is whole"):
        save(OTHER, path)
    assert load(path).record == ONE.record
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_for_a_first_file(tmp_path: Path) -> None:
    with no_room(), pytest.raises(AtrousError, match=r"Nothing is there yet.*--resume"):
        save(ONE, tmp_path / "one")
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_put_in_place_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one"
    save(ONE, path)

    def full(_: Path, __: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(AtrousError, match="No space left on device"):
        save(OTHER, path)
    monkeypatch.undo()
    assert load(path).record == ONE.record
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("length", [0, 5, 100, 9000])
def test_a_file_cut_short_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "one"
    save(ONE, path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(AtrousError, match=r"Expected a checkpoint .*Delete the file"):
        load(path)


def test_no_flipped_bit_is_accepted(tmp_path: Path) -> None:
    path, rng = tmp_path / "one", Random(0)
    save(ONE, path)
    sound = path.read_bytes()
    header = 8 + int.from_bytes(sound[:8], "little")
    places = [*range(0, header, 7), *(rng.randrange(header, len(sound)) for _ in range(200))]
    for place in places:
        content = bytearray(sound)
        content[place] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        with pytest.raises(AtrousError, match=str(path)):
            load(path)


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match="Expected a checkpoint"):
        load(tmp_path / "absent")
    (tmp_path / "text").write_text("no tensors")
    with pytest.raises(AtrousError, match="Expected a checkpoint"):
        load(tmp_path / "text")
    save_file({"a": torch.ones(2)}, tmp_path / "plain")
    with pytest.raises(AtrousError, match="its format is None, not 2"):
        load(tmp_path / "plain")
    save_file({"a": torch.ones(2)}, tmp_path / "later", {"format": "3", "record": "{}"})
    with pytest.raises(AtrousError, match="its format is 3, not 2"):
        load(tmp_path / "later")
    save_file({"a": torch.ones(2)}, tmp_path / "bare", {"format": FORMAT})
    with pytest.raises(AtrousError, match="Expected a checkpoint"):
        load(tmp_path / "bare")
    save_file({"a": torch.ones(2)}, tmp_path / "broken", {"format": FORMAT, "record": "{"})
    with pytest.raises(AtrousError, match="Expected a checkpoint"):
        load(tmp_path / "broken")


def test_a_network_is_filled_only_with_what_fits() -> None:
    layer = torch.nn.Linear(2, 3)
    tensors = {"weight": torch.ones(3, 2), "bias": torch.zeros(3)}
    refill(layer, tensors)
    assert torch.equal(layer.weight, torch.ones(3, 2))
    for wrong in (
        {"weight": torch.ones(3, 2)},
        {**tensors, "more": torch.ones(1)},
        {**tensors, "weight": torch.ones(2, 3)},
    ):
        with pytest.raises(AtrousError, match="1 of its 2 tensors"):
            refill(layer, wrong)


def test_lines_are_kept_up_to_a_step(tmp_path: Path) -> None:
    log = Log(tmp_path, 0, tensorboard=False)
    for step in (2, 4, 6):
        log.add(Score(step, 1 / step, {"miou": 0.5}))
    assert read_log(tmp_path) == [Score(s, 1 / s, {"miou": 0.5}) for s in (2, 4, 6)]
    Log(tmp_path, 4, tensorboard=False).add(Score(5, 9.0, {"miou": 0.5}))
    assert [line.step for line in read_log(tmp_path)] == [2, 4, 5]


def test_a_line_is_flat_and_lines_of_before_are_read(tmp_path: Path) -> None:
    old = (
        b'{"step": 1, "loss": 2.0, "miou": 0.5, "score": null}\n'
        b'{"step": 2, "loss": null, "miou": 0.4, "score": 0.7}\n'
    )
    (tmp_path / LOG).write_bytes(old)
    first, second = read_log(tmp_path)
    assert (first.value, first.standing, first.decided_by) == (0.5, 0.5, "miou")
    assert (second.loss, second.value, second.standing) == (None, 0.4, 0.7)
    Log(tmp_path, 2, tensorboard=False)
    kept = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert all(line.pop(SEAL) for line in kept)
    assert kept == [
        {"step": 1, "loss": 2.0, "miou": 0.5},
        {"step": 2, "loss": None, "miou": 0.4, "score": 0.7},
    ]


def test_no_log_is_an_empty_one(tmp_path: Path) -> None:
    assert read_log(tmp_path) == []


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b'{"loss": 1}', b'{"step": "x"}', b'{"step": 1, "loss": 1}', b"\xff\xfe"]
)
def test_a_strange_line_is_told(tmp_path: Path, line: bytes) -> None:
    (tmp_path / LOG).write_bytes(b'{"step": 1, "loss": 2, "miou": 0}\n' + line + b"\n")
    with pytest.raises(AtrousError, match="in line 2 of"):
        read_log(tmp_path)


def test_tensorboard_hears_of_it_too(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = Log(tmp_path, 0, tensorboard=True)
    log.add(Score(3, 0.5, {"miou": 0.25}))
    found = reader.EventAccumulator(str(tmp_path / BOARD)).Reload()
    assert [(event.step, event.value) for event in found.Scalars("miou")] == [(3, 0.25)]


def test_a_missing_tensorboard_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(AtrousError, match=r"pip install 'atrous\[tensorboard\]'"):
        Log(tmp_path, 0, tensorboard=True)
