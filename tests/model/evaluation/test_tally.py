"""An evaluation that was stopped, and gone on with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from atrous.core.errors import AtrousError
from atrous.data.dataset import Sample
from atrous.model.evaluation import tally as module
from atrous.model.evaluation.tally import Tally
from atrous.tasks.segmentation.evaluate import Counted, Examination, evaluate, summarise
from tests.model.evaluation.material import (
    ABSENT,
    CLASSES,
    ByColour,
    colours,
    transform,
    write_samples,
)

KEY = {"weights": "abc", "scales": [1.0]}


class Stopped(ByColour):
    """Is interrupted in the pass after the first `passes_left`."""

    def __init__(self, passes_left: int) -> None:
        table = colours()
        table[ABSENT] = 9
        super().__init__(table)
        self.passes_left = passes_left

    def forward(self, images: Tensor) -> Tensor:
        if len(self.passes) == self.passes_left:
            raise KeyboardInterrupt
        return super().forward(images)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sample, ...]:
    return write_samples(tmp_path_factory.mktemp("samples"))


def run(path: Path, model: ByColour, samples: tuple[Sample, ...], device: str) -> Tally:
    """Goes on where the file says; returns what is counted then, even if interrupted."""
    tally = Tally(path, KEY, CLASSES)
    examination = Examination(model.eval(), transform, CLASSES, device=device)
    try:
        with tally.keeping():
            for one in examination.counted(samples[tally.done :]):
                tally.add(one)
    except KeyboardInterrupt:
        pass
    return tally


@pytest.mark.parametrize(("device", "done"), [("cpu", 4), ("cpu:0", 7)])
def test_going_on_gives_the_counts_of_an_evaluation_that_was_never_stopped(
    tmp_path: Path, samples: tuple[Sample, ...], device: str, done: int
) -> None:
    whole = evaluate(Stopped(99), transform, samples, CLASSES, device=device)
    path = tmp_path / "counts.json"
    stopped = run(path, Stopped(4), samples, device)
    assert stopped.done == done
    again = Stopped(99)
    finished = run(path, again, samples, device)
    assert sum(again.passes) == len(samples) - done
    np.testing.assert_array_equal(finished.counts, whole)
    unstopped = run(tmp_path / "other.json", Stopped(99), samples, device)
    assert finished.scores == unstopped.scores
    assert len(finished.scores) == len(samples)


def test_a_pass_that_was_not_taken_in_whole_is_done_again(
    tmp_path: Path, samples: tuple[Sample, ...]
) -> None:
    path = tmp_path / "counts.json"
    tally = Tally(path, KEY, CLASSES)
    examination = Examination(Stopped(99).eval(), transform, CLASSES, device="cpu:0")
    first, second, *_ = examination.counted(samples)
    with tally.keeping():
        tally.add(first)
        tally.add(second)
    assert Tally(path, KEY, CLASSES).done == 0


def test_other_weights_or_scales_begin_anew(tmp_path: Path, samples: tuple[Sample, ...]) -> None:
    path = tmp_path / "counts.json"
    run(path, Stopped(99), samples, "cpu")
    assert Tally(path, KEY, CLASSES).done == len(samples)
    assert Tally(path, {**KEY, "scales": [1.0, 0.5]}, CLASSES).done == 0
    assert Tally(path, KEY, CLASSES + 1).done == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"counts": [[1]], "scores": []}', "\x00"])
def test_a_file_that_cannot_be_read_is_begun_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "counts.json"
    path.write_text(text)
    assert Tally(path, KEY, CLASSES).done == 0


def test_an_image_without_labels_has_no_score(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "counts.json", KEY, 2)
    tally.add(Counted(np.array([[3, 1], [0, 0]]), settled=True))
    tally.add(Counted(np.zeros((2, 2), dtype=np.int64), settled=True))
    assert tally.scores == [summarise(np.array([[3, 1], [0, 0]])).miou, None]


def test_it_is_written_in_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "counts.json"
    tally = Tally(path, KEY, 2)
    one = Counted(np.eye(2, dtype=np.int64), settled=True)
    tally.add(one)
    assert not path.exists()
    monkeypatch.setattr(module, "INTERVAL", -1.0)
    tally.add(one)
    assert Tally(path, KEY, 2).done == 2
    tally.discard()
    assert not path.exists()


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "gone" / "counts.json", KEY, 2)
    with pytest.raises(AtrousError, match="--out"), tally.keeping():
        pass
