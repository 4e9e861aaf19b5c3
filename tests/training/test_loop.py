"""The loop: interrupted at any step, it goes on to the same result; it tells what goes wrong."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from atrous.core.errors import AtrousError
from atrous.core.trial import Metrics, Score, details_of, values_of
from atrous.data.dataset import Samples, read_image, read_labels
from atrous.data.transform import Transform
from atrous.tasks.segmentation import SEGMENTATION
from atrous.training import loop
from atrous.training.checkpoint import LOG, load, read_log
from atrous.training.crops import crops_of
from atrous.training.loop import BEST, CHECKPOINT, Selection, best_metrics, load_best
from atrous.training.optimiser import NonFiniteError
from tests.records import scored_by
from tests.training.material import (
    ALONE,
    Interruption,
    StoppedError,
    equal,
    network,
    never,
    protocol,
    run,
    state,
    tensors,
)
from tests.training.test_checkpoint import no_room

Both = tuple[Samples, Samples]
PROTOCOLS = {
    "plain": {},
    "averaged in parts": {"average": 0.7, "accumulate": 2},
    "frozen norms in bfloat16": {"tune_norm": False, "precision": "bfloat16"},
    "weighed": {"class_weights": (1.0, 2.0, 0.5), "flip": False, "seed": 4},
}


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint is written after each step."""
    monkeypatch.setattr(loop, "SAVE_SECONDS", -1)


@pytest.fixture(scope="module")
def whole(samples: Both, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run without interruption."""
    folder = tmp_path_factory.mktemp("whole")
    run(state(protocol()), samples, folder)
    return folder


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("changes", PROTOCOLS.values(), ids=PROTOCOLS)
def test_an_interrupted_training_ends_as_an_uninterrupted_one(
    changes: dict[str, Any], samples: Both, tmp_path: Path
) -> None:
    how = protocol(**changes)
    expected = run(state(how), samples, tmp_path / "whole")
    places = sorted(Random(len(changes)).sample(range(12), 3))
    for before, place in zip((0, *places), places, strict=False):
        with pytest.raises(StoppedError):
            run(state(how), samples, tmp_path / "torn", Interruption(place - before))
    assert run(state(how), samples, tmp_path / "torn") == expected
    assert (tmp_path / "torn" / LOG).read_bytes() == (tmp_path / "whole" / LOG).read_bytes()
    for name in (CHECKPOINT, BEST):
        one, other = (load(tmp_path / folder / name) for folder in ("whole", "torn"))
        assert equal(dict(one.tensors), dict(other.tensors))
        assert one.record == other.record


def test_without_a_checkpoint_yet_it_begins_anew(
    whole: Path, samples: Both, tmp_path: Path
) -> None:
    with pytest.raises(StoppedError):
        run(state(protocol()), samples, tmp_path, Interruption(3))
    assert not (tmp_path / CHECKPOINT).exists()
    run(state(protocol()), samples, tmp_path)
    assert (tmp_path / LOG).read_bytes() == (whole / LOG).read_bytes()


def test_what_was_logged_after_the_checkpoint_is_forgotten(
    whole: Path, samples: Both, tmp_path: Path
) -> None:
    """Killed between the log and the checkpoint, or before a first checkpoint."""
    with pytest.raises(StoppedError):
        run(state(protocol()), samples, tmp_path, Interruption(8))
    assert load(tmp_path / CHECKPOINT).record["step"] == 5
    with (tmp_path / LOG).open("a") as file:
        file.write(json.dumps({"step": 7, "loss": 9.0, "miou": 0.9}) + "\n")
    run(state(protocol()), samples, tmp_path)
    assert (tmp_path / LOG).read_bytes() == (whole / LOG).read_bytes()


def test_an_ended_training_is_only_read(whole: Path, samples: Both) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in whole.iterdir()}
    heard: list[int] = []
    metrics = run(
        state(protocol()), samples, whole, watch=lambda score, _: heard.append(score.step)
    )
    assert metrics == best_metrics(whole)
    assert heard == []
    del before[LOG]
    assert before == {name: (whole / name).stat().st_mtime_ns for name in before}


def test_scores_come_every_so_often_and_at_the_end(samples: Both, tmp_path: Path) -> None:
    heard: list[tuple[Score, Metrics]] = []
    best = run(
        state(protocol()),
        samples,
        tmp_path,
        watch=lambda score, metrics: heard.append((score, metrics)),
    )
    assert [score.step for score, _ in heard] == [5, 10, 12]
    assert read_log(tmp_path) == [score for score, _ in heard]
    found = [values_of(metrics)["miou"] for _, metrics in heard]
    assert found == [score.value for score, _ in heard]
    assert values_of(best)["miou"] == max(found)


@pytest.mark.parametrize("average", [0.0, 0.5])
def test_the_best_weights_are_kept_not_the_last(
    average: float, samples: Both, tmp_path: Path
) -> None:
    """Scores that fall after the second."""
    scores = iter((0.3, 0.6, 0.5, 0.6))
    seen: list[dict[str, Any]] = []
    one = state(protocol(average=average, score_every=3))

    def score(scored: Any) -> Metrics:
        seen.append(tensors(scored))
        miou = next(scores)
        return scored_by((miou,) * 4, None, (miou, None, 0.0))

    crops = crops_of(samples[0], one.protocol, one.network.backbone.mean)
    best = loop.train(one, crops, score, tmp_path, never)
    assert best["miou"] == 0.6
    assert load(tmp_path / BEST).record["step"] == 6
    fresh = network(seed=9)
    load_best(fresh, tmp_path)
    assert equal(tensors(fresh), seen[1])
    assert not equal(seen[1], seen[3])


def test_a_trained_network_never_ends_below_what_it_began_with(
    samples: Both, tmp_path: Path
) -> None:
    scores = iter((0.6, 0.3, 0.5))
    one = state(protocol(score_every=6))
    begun = tensors(one.network)

    def score(_: Any) -> Metrics:
        miou = next(scores)
        return scored_by((miou,) * 4, None, (miou, None, 0.0))

    crops = crops_of(samples[0], one.protocol, one.network.backbone.mean)
    best = loop.train(one, crops, score, tmp_path, never, is_trained=True)
    assert best["miou"] == 0.6
    assert [(line.step, line.value) for line in read_log(tmp_path)] == [
        (0, 0.6),
        (6, 0.3),
        (12, 0.5),
    ]
    fresh = network(seed=9)
    load_best(fresh, tmp_path)
    assert equal(tensors(fresh), begun)


def test_another_score_than_miou_decides_which_weights_are_kept(
    samples: Both, tmp_path: Path
) -> None:
    """mIoU falls while the accuracy of the classes, and the blend with it, rises."""
    row = (0.5, None, 0.0)
    found = [scored_by((0.5 - k / 10, k / 4, 0.5, 0.5), None, row) for k in (0, 1, 2)]
    scores = iter(found)
    one = state(protocol(score="blend"))
    crops = crops_of(samples[0], one.protocol, one.network.backbone.mean)
    best = loop.train(one, crops, lambda _: next(scores), tmp_path, never)
    assert best == found[2]
    blend = SEGMENTATION.objectives["blend"]
    assert read_log(tmp_path) == [
        Score(line.step, line.loss, {"miou": values["miou"], "blend": blend(values)})
        for line, values in zip(read_log(tmp_path), map(values_of, found), strict=True)
    ]
    kept = max(read_log(tmp_path), key=lambda line: line.standing)
    assert (kept.step, kept.value, kept.decided_by) == (12, found[2]["miou"], "blend")


def test_divergence_is_told_and_the_best_before_is_kept(samples: Both, tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=r"the loss was (nan|inf) at step \d+ of 12"):
        run(state(protocol(rate=1e30)), samples, tmp_path)
    run(state(protocol(score_every=2)), samples, tmp_path / "sound")
    assert values_of(best_metrics(tmp_path / "sound"))["miou"] > 0


@pytest.mark.usefixtures("every_step")
def test_a_disk_that_fills_up_loses_at_most_what_came_after(
    whole: Path, samples: Both, tmp_path: Path
) -> None:
    with pytest.raises(StoppedError):
        run(state(protocol()), samples, tmp_path, Interruption(7))
    with no_room(), pytest.raises(AtrousError, match=r"go on with --resume"):
        run(state(protocol()), samples, tmp_path)
    assert load(tmp_path / CHECKPOINT).record["step"] == 7
    load_best(network(), tmp_path)
    run(state(protocol()), samples, tmp_path)
    assert (tmp_path / LOG).read_bytes() == (whole / LOG).read_bytes()


def test_a_log_that_cannot_be_written_is_told(
    samples: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Path, text: str, **__: str) -> int:
        if text:
            raise OSError(errno.ENOSPC, "No space left on device")
        return 0

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(AtrousError, match=r"No space left on device.*--resume"):
        run(state(protocol()), samples, tmp_path)
    monkeypatch.undo()
    load_best(network(), tmp_path)


def test_a_damaged_checkpoint_is_refused(samples: Both, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        run(state(protocol()), samples, tmp_path, Interruption(6))
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(AtrousError, match="Expected a checkpoint of a training run"):
        run(state(protocol()), samples, tmp_path)


def test_best_weights_in_the_place_of_a_checkpoint_are_refused(
    whole: Path, samples: Both, tmp_path: Path
) -> None:
    (tmp_path / CHECKPOINT).write_bytes((whole / BEST).read_bytes())
    with pytest.raises(AtrousError, match=r"Expected the .* of a training run.*, but: "):
        run(state(protocol()), samples, tmp_path)
    (tmp_path / BEST).write_bytes((whole / CHECKPOINT).read_bytes())
    with pytest.raises(AtrousError, match=r"Expected the .* of a training run.*, but: "):
        best_metrics(tmp_path)


def test_the_score_is_the_mean_iou_over_all_images_at_full_size(
    samples: tuple[Samples, Samples],
) -> None:
    one = network(seed=2)
    transform = Transform(one.backbone.mean, one.backbone.std)
    found = Selection(samples[1], 3, transform, ALONE)(one)
    labels, predictions = [], []
    for sample in samples[1]:
        with torch.no_grad():
            logits = one(transform(read_image(sample.image))[None])[0]
        predictions.append(logits.argmax(0).numpy().ravel())
        labels.append(read_labels(sample).ravel())
    truth, guess = np.concatenate(labels), np.concatenate(predictions)
    ious = [
        ((truth == k) & (guess == k)).sum() / ((truth == k) | (guess == k)).sum() for k in (0, 1, 2)
    ]
    assert found["miou"] == pytest.approx(np.mean(ious))
    assert found["class_iou"] == pytest.approx(ious)
    assert found["pixel_accuracy"] == pytest.approx((truth == guess).mean())
    assert "cross_entropy" not in found
    assert len(details_of(found)["branch_norms"]) == 2


def test_a_network_in_training_is_scored_as_it_will_be_used(
    samples: tuple[Samples, Samples],
) -> None:
    one = network(seed=2)
    score = Selection(samples[1], 3, Transform(one.backbone.mean, one.backbone.std), ALONE)
    expected = score(one)
    one.train()
    assert score(one) == expected
    assert all(module.training for module in one.modules() if isinstance(module, nn.Dropout))
