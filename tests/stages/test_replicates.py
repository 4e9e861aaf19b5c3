"""Readings with fresh seeds: they outlive an interruption, and a failed training costs its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import pytest

from atrous.core.architecture import Architecture
from atrous.core.errors import AtrousError
from atrous.core.trial import Failed, Job, Metrics, Reason
from atrous.estimation.features import FeatureSet
from atrous.execution.executor import InlineExecutor, WorkerLostError
from atrous.stages.compare import FIRST_SEED, Reading, fresh_jobs, read_all
from atrous.training.optimiser import NonFiniteError
from tests.records import SPACE, metrics

HOLDER = """
import sys, time
from pathlib import Path
from atrous.core.files import hold
with hold(Path(sys.argv[1]), "busy"):
    print("held", flush=True)
    time.sleep(600)
"""
TOP1, ASPP = (SPACE.architecture(SPACE.published[name]) for name in ("top1", "aspp"))
SPLITS = ("val", "test")


class MadeUp:
    """In the place of a proxy: an mIoU that depends on architecture, seed and split alone."""

    def __init__(self, error: Exception | None = None) -> None:
        self.fitted: list[tuple[str, int]] = []
        self.error = error

    def fit(self, architecture: Architecture, steps: int, seed: int) -> tuple[Architecture, int]:
        if self.error and (architecture, steps, seed) == _asked(JOBS[2]):
            raise self.error
        self.fitted.append((str(architecture), seed))
        return architecture, seed

    def evaluate(self, network: tuple[Architecture, int], data: FeatureSet) -> Metrics:
        architecture, seed = network
        place = int(architecture == TOP1) + len(data.path.name) / 100
        return metrics(place / 2 + seed / 1e5)


def _asked(job: Job) -> tuple[Architecture, int, int]:
    return job.architecture, job.steps, job.seed


@pytest.fixture
def made_up() -> MadeUp:
    return MadeUp()


JOBS = fresh_jobs([TOP1, ASPP], seeds=3, steps=7, avoid=0)


def results(
    proxy: MadeUp, path: Path, splits: tuple[str, ...] = SPLITS, kind: str = "features"
) -> list[list[Reading] | Failed]:
    sets = {name: FeatureSet(Path(f"{name}-{kind}")) for name in splits}
    fake: Any = proxy
    return list(read_all(fake, JOBS, sets, InlineExecutor(), path))


def ordered(found: list[list[Reading] | Failed]) -> list[Reading]:
    """All readings; trials that failed have none."""
    measured = [r for result in found if not isinstance(result, Failed) for r in result]
    return sorted(measured, key=lambda r: (r.architecture, r.seed, r.split))


def read(
    proxy: MadeUp, path: Path, splits: tuple[str, ...] = SPLITS, kind: str = "features"
) -> list[Reading]:
    found = results(proxy, path, splits, kind)
    assert not any(isinstance(result, Failed) for result in found)
    return ordered(found)


def test_seeds_are_shared_and_fresh() -> None:
    jobs = fresh_jobs([TOP1, ASPP, TOP1], seeds=3, steps=9, avoid=FIRST_SEED + 1)
    seeds = [FIRST_SEED, FIRST_SEED + 2, FIRST_SEED + 3]
    by_architecture: dict[Architecture, list[int]] = {}
    for job in jobs:
        by_architecture.setdefault(job.architecture, []).append(job.seed)
    assert by_architecture == {TOP1: seeds, ASPP: seeds}
    assert {job.steps for job in jobs} == {9}
    assert [job.trial.number for job in jobs] == list(range(6))


def test_every_trial_is_read_on_every_split(made_up: MadeUp, tmp_path: Path) -> None:
    found = read(made_up, tmp_path / "kept.jsonl")
    assert len(found) == 12
    assert len(made_up.fitted) == len(set(made_up.fitted)) == 6
    reading = next(r for r in found if (r.seed, r.split) == (FIRST_SEED, "val"))
    assert reading.metrics == made_up.evaluate(
        (JOBS[1].architecture, JOBS[1].seed), FeatureSet(Path("val-features"))
    )


def test_what_was_read_is_not_read_again(made_up: MadeUp, tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    first = read(made_up, path)
    assert read(made_up, path) == first
    assert len(made_up.fitted) == 6


@pytest.mark.parametrize("left", range(0, 12, 5))
def test_an_interrupted_comparison_goes_on(made_up: MadeUp, tmp_path: Path, left: int) -> None:
    path = tmp_path / "kept.jsonl"
    expected = read(made_up, path)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:left]))
    made_up.fitted.clear()
    assert read(made_up, path) == expected
    assert len(made_up.fitted) == 6 - left // 2
    made_up.fitted.clear()
    assert read(made_up, path) == expected
    assert made_up.fitted == []


def test_another_split_reads_anew(made_up: MadeUp, tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    read(made_up, path, splits=("val",))
    found = read(made_up, path)
    assert len(made_up.fitted) == 12
    assert {(reading.seed, reading.split) for reading in found} == {
        (trial.seed, split) for trial in JOBS for split in SPLITS
    }
    assert read(made_up, path) == found
    assert len(made_up.fitted) == 12


@pytest.mark.parametrize("line", ["", "{", "7", "{}", '{"metrics": {}}', '{"metrics": 1}'])
def test_a_damaged_line_is_named(made_up: MadeUp, tmp_path: Path, line: str) -> None:
    path = tmp_path / "kept.jsonl"
    expected = read(made_up, path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], line, *lines[5:]]) + "\n")
    with pytest.raises(AtrousError, match=r"in line 5 of .*kept\.jsonl.*Delete the line"):
        read(made_up, path)
    path.write_text("\n".join([*lines[:4], *lines[5:]]) + "\n")
    assert read(made_up, path) == expected
    made_up.fitted.clear()
    assert read(made_up, path) == expected
    assert made_up.fitted == []


def test_readings_of_images_that_have_changed_are_not_kept(made_up: MadeUp, tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    read(made_up, path)
    found = read(made_up, path, kind="other features")
    assert len(made_up.fitted) == 12
    assert {reading.data for reading in found} == {"val-other features", "test-other features"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NonFiniteError("the loss was nan"), Reason.NON_FINITE),
        (WorkerLostError("ended with exit code -9"), Reason.WORKER_LOST),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), Reason.OUT_OF_MEMORY),
    ],
)
def test_a_failed_training_is_left_out_and_tried_again(
    made_up: MadeUp, tmp_path: Path, error: Exception, reason: Reason
) -> None:
    path = tmp_path / "kept.jsonl"
    found = results(MadeUp(error), path)
    (failed,) = (result for result in found if isinstance(result, Failed))
    assert (failed.job, failed.reason) == (JOBS[2], reason)
    assert str(error) in failed.error
    assert len(ordered(found)) == 10
    assert len(read(made_up, path)) == 12
    assert made_up.fitted == [(str(JOBS[2].architecture), JOBS[2].seed)]


def test_a_network_without_a_finite_loss_has_diverged(made_up: MadeUp, tmp_path: Path) -> None:
    class Diverged(MadeUp):
        def evaluate(self, network: tuple[Architecture, int], data: FeatureSet) -> Metrics:
            found = super().evaluate(network, data)
            return replace(found, cross_entropy=nan) if data.path.name[:4] == "test" else found

    path = tmp_path / "kept.jsonl"
    found = results(Diverged(), path)
    assert {r.reason for r in found if isinstance(r, Failed)} == {Reason.NON_FINITE}
    assert ordered(found) == []
    assert not path.exists()
    assert len(read(made_up, path)) == 12


def test_a_mistake_in_the_program_is_not_taken_for_a_failed_training(
    made_up: MadeUp, tmp_path: Path
) -> None:
    made_up.error = RuntimeError("size mismatch")
    with pytest.raises(RuntimeError, match="size mismatch"):
        results(made_up, tmp_path / "kept.jsonl")


def test_one_process_at_a_time_writes(made_up: MadeUp, tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "kept.lock")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        try:
            with pytest.raises(AtrousError, match=r"Another process is writing to .*kept\.jsonl"):
                read(made_up, path)
        finally:
            other.kill()
    assert made_up.fitted == []
    assert not path.exists()
    assert len(read(made_up, path)) == 12
