"""From a request to a finished search: what is checked, what is kept, and what a kill cannot do."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from PIL import Image

from atrous import comparison, driver
from atrous.driver import Material, Request, begin, compare, material_of, proceed
from atrous.errors import AtrousError
from atrous.estimation.compute import Compute
from atrous.estimation.tuning import Choice, Workload
from atrous.ledger import Entry
from atrous.run import LEDGER, Run, open_run
from atrous.trial import Outcome
from tests.executors import Immediate
from tests.processes import eventually

HEIGHT, WIDTH = 64, 96
CLASSES = ("sky", "wall", "floor")


def write_data(root: Path) -> Path:
    """Eight pictures of three coloured stripes."""
    rng = np.random.default_rng(0)
    root.mkdir()
    (root / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    for split, count in (("train", 5), ("val", 3), ("test", 2)):
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for number in range(count):
            edges = np.sort(rng.integers(8, HEIGHT - 8, 2))
            stripes = np.searchsorted(edges, np.arange(HEIGHT), side="right")
            mask = np.repeat(stripes[:, None], WIDTH, axis=1).astype(np.uint8)
            colours = np.array([(200, 60, 60), (60, 200, 60), (60, 60, 200)])
            image = (colours[mask] + rng.integers(0, 50, (HEIGHT, WIDTH, 3))).astype(np.uint8)
            Image.fromarray(image).save(root / "images" / split / f"{split}{number}.png")
            Image.fromarray(mask).save(root / "masks" / split / f"{split}{number}.png")
    return root


def request(data: Path, **changes: Any) -> Request:
    asked = Request(
        data=data,
        select_on="val",
        space="dpc",
        strategy="random",
        baselines=("dpc:aspp",),
        trials=2,
        seconds=None,
        workers=1,
        seed=0,
        backbone="tf_efficientnet_lite0",
        weights="none",
        output_stride=16,
        crop=None,
        filters=8,
        steps=3,
        batch=2,
        rate=0.1,
        score="miou",
        device="cpu",
    )
    return replace(asked, **changes)


def ignore(_: Entry) -> None:
    pass


def outcomes(run: Run) -> list[Outcome]:
    """What was measured, without how long it took."""
    return [replace(entry.outcome, seconds=0.0) for entry in run.ledger().entries()]


@pytest.fixture(autouse=True)
def quick_choice(monkeypatch: pytest.MonkeyPatch) -> list[Workload]:
    """Computes as a remembered choice says; the workloads it was asked about."""
    asked: list[Workload] = []

    def choose(
        workload: Workload, device: str, workers: int | None, _most: int, _cache: Path
    ) -> Choice:
        asked.append(workload)
        return Choice(Compute(device, "float32", "channels_last", 1), workers or 1)

    monkeypatch.setattr(driver, "choose", choose)
    return asked


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data")


@pytest.fixture
def begun(data: Path, tmp_path: Path, cache: Path) -> tuple[Run, Material]:
    return begin(request(data), tmp_path / "run", cache)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "LocalExecutor", Immediate)
    monkeypatch.setattr(comparison, "LocalExecutor", Immediate)


def test_a_run_begins_with_every_default_filled_in(
    begun: tuple[Run, Material], data: Path, quick_choice: list[Workload]
) -> None:
    run, material = begun
    assert open_run(run.path) == run
    settings, context = run.settings, run.context
    assert settings.crop == (65, 97)
    assert settings.data == str(data.resolve())
    assert (settings.precision, settings.layout, settings.workers) == (
        "float32",
        "channels_last",
        1,
    )
    assert (context.training_images, context.selection_images) == (5, 3)
    assert (context.classes, context.channels, context.feature_size) == (CLASSES, 320, (5, 7))
    assert context.weights_digest == material.backbone.weights_digest
    assert quick_choice == [Workload(320, 5, 7, 8, 3, 2, 16)]
    assert run.ledger().entries() == []


def test_a_search_runs_in_its_worker_and_is_complete(begun: tuple[Run, Material]) -> None:
    run, material = begun
    heard: list[Entry] = []
    proceed(run, material, heard.append)
    entries = run.ledger().entries()
    assert [entry.outcome for entry in heard] == [entry.outcome for entry in entries]
    assert [entry.trial.origin for entry in entries] == ["baseline dpc:aspp", "uniform", "uniform"]
    assert {entry.trial.steps for entry in entries} == {3}
    heard.clear()
    proceed(run, material, heard.append)
    assert heard == []


@pytest.mark.usefixtures("in_process")
def test_a_run_goes_on_from_what_is_on_disk(
    begun: tuple[Run, Material], tmp_path: Path, cache: Path
) -> None:
    run, material = begun
    copy = open_run(Path(shutil.copytree(run.path, tmp_path / "copy")))
    proceed(run, material, ignore)

    def stop(_: Entry) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        proceed(copy, material_of(copy, cache), stop)
    assert len(copy.ledger().entries()) == 1
    proceed(copy, material_of(copy, cache), ignore)
    assert outcomes(copy) == outcomes(run)


@pytest.mark.usefixtures("in_process")
def test_a_run_that_is_being_searched_is_left_alone(begun: tuple[Run, Material]) -> None:
    run, material = begun
    with run.locked(), pytest.raises(AtrousError, match="Another process is searching"):
        proceed(open_run(run.path), material, ignore)
    assert run.ledger().entries() == []


def brighten(data: Path) -> None:
    path = data / "images" / "train" / "train0.png"
    Image.fromarray(np.asarray(Image.open(path)) // 2).save(path)


def relabel(data: Path) -> None:
    path = data / "masks" / "val" / "val1.png"
    Image.fromarray((np.asarray(Image.open(path)) + 1) % 3).save(path)


def add(data: Path) -> None:
    for kind in ("images", "masks"):
        shutil.copy(data / kind / "train" / "train0.png", data / kind / "train" / "train9.png")


def remove(data: Path) -> None:
    (data / "masks" / "val" / "val2.png").unlink()


@pytest.mark.parametrize("change", [brighten, relabel, add, remove])
def test_changed_data_is_noticed_before_anything_is_computed(
    begun: tuple[Run, Material], data: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    run, _ = begun
    change(data)
    with pytest.raises(AtrousError, match=r"images or masks of .*run have changed.*--out"):
        material_of(run, tmp_path / "other cache")
    assert not (tmp_path / "other cache").exists()


def test_changed_weights_are_noticed(begun: tuple[Run, Material], tmp_path: Path) -> None:
    run, _ = begun
    other = replace(run, settings=replace(run.settings, seed=1))
    with pytest.raises(AtrousError, match=r"backbone weights of .*run have changed"):
        material_of(other, tmp_path / "other cache")


def test_lost_features_are_computed_again(begun: tuple[Run, Material], tmp_path: Path) -> None:
    run, before = begun
    after = material_of(run, tmp_path / "other cache")
    assert after.training.path != before.training.path
    assert (after.training.features == before.training.features).all()


def test_all_that_is_wrong_with_the_numbers_is_told_at_once(tmp_path: Path) -> None:
    wrong = request(
        tmp_path / "missing", trials=0, steps=-1, batch=1, rate=float("nan"), score="beauty"
    )
    with pytest.raises(AtrousError) as told:
        begin(wrong, tmp_path / "run", tmp_path / "cache")
    for part in (
        "--trials is at least 1, got 0",
        "--steps is at least 1, got -1",
        "--batch is at least 2, got 1",
        "--rate is a positive number, got nan",
        "--score is one of miou, blend, cross-entropy, got 'beauty'",
    ):
        assert part in str(told.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": "nas"}, "Expected the name of a space, got 'nas'"),
        ({"strategy": "luck"}, "Expected a strategy, got 'luck'"),
        ({"baselines": ("dpc:best",)}, "no architecture 'best'"),
        ({"crop": (64, 96)}, "--crop 65x97"),
        ({"select_on": "9"}, "No train image is named like"),
        ({"backbone": "resnet"}, "expected the name of a timm model"),
        ({"output_stride": 4}, "--output-stride is 8 or 16"),
        ({"device": "tpu"}, "got 'tpu'"),
        ({"workers": 0}, "--workers is at least 1"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_made(
    data: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(AtrousError, match=message):
        begin(request(data, **changes), tmp_path / "run", tmp_path / "cache")
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "cache").exists()


def test_a_faulty_data_set_is_refused_with_its_faults(data: Path, tmp_path: Path) -> None:
    path = data / "masks" / "train" / "train1.png"
    Image.fromarray(np.full((HEIGHT, WIDTH), 7, np.uint8)).save(path)
    (data / "images" / "val" / "val0.png").write_bytes(b"no image")
    with pytest.raises(AtrousError) as told:
        begin(request(data), tmp_path / "run", tmp_path / "cache")
    assert "has 2 problems that must be mended first" in str(told.value)
    assert "val0.png" in str(told.value)
    assert f"atrous check {data}" in str(told.value)
    assert not (tmp_path / "cache").exists()


def test_a_second_run_in_a_folder_is_refused_before_anything_is_read(
    begun: tuple[Run, Material], tmp_path: Path
) -> None:
    with pytest.raises(AtrousError, match="There is a run in"):
        begin(request(tmp_path / "missing"), begun[0].path, tmp_path / "cache")


@pytest.mark.usefixtures("in_process")
def test_architectures_of_a_run_are_compared_on_other_images(
    begun: tuple[Run, Material], cache: Path
) -> None:
    run, material = begun
    proceed(run, material, ignore)
    found = compare(run, ("best", "dpc:top1"), ("val", "test"), 2, cache)
    assert len(found.readings) == 8
    assert {reading.split for reading in found.readings} == {"val", "test"}
    measured = {str(e.trial.architecture) for e in run.ledger().entries() if e.trial.number > 0}
    assert found.names["best"] in measured
    kept = (run.path / "comparison.jsonl").read_text()
    again = compare(run, ("best", "dpc:top1"), ("val", "test"), 2, cache)
    assert {str(reading) for reading in again.readings} == {str(r) for r in found.readings}
    assert (run.path / "comparison.jsonl").read_text() == kept
    with pytest.raises(AtrousError, match=r"images in split 'night'.*train, val, test"):
        compare(run, ("best",), ("night",), 2, cache)


def test_there_is_no_best_before_a_trial_has_a_score(
    begun: tuple[Run, Material], cache: Path
) -> None:
    with pytest.raises(AtrousError, match="none yet"):
        compare(begun[0], ("best",), ("val",), 2, cache)


def resume(run: Run, cache: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "atrous", "search", "--resume", str(run.path)]
    return subprocess.Popen(
        [*command, "--cache", str(cache)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def count_trials(run: Run) -> int:
    with closing(sqlite3.connect(run.path / LEDGER)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM trials").fetchone()
    return int(count)


def kill_after(trials: int, run: Run, cache: Path) -> None:
    """Goes on with a run in a process of its own and kills it."""
    with resume(run, cache) as process:
        assert eventually(lambda: count_trials(run) >= trials or process.poll() is not None)
        process.kill()
    assert eventually(lambda: not run.is_running())


def test_a_search_killed_and_resumed_equals_an_uninterrupted_one(
    data: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, material = begin(
        request(data, strategy="local", trials=14, steps=15), tmp_path / "run", cache
    )
    killed = open_run(Path(shutil.copytree(run.path, tmp_path / "killed")))
    for trials in (Random(0).randint(1, 3), Random(1).randint(4, 6)):
        kill_after(trials, killed, cache)
        assert len(killed.ledger().entries()) >= trials
    monkeypatch.setattr(driver, "LocalExecutor", Immediate)
    proceed(killed, material_of(killed, cache), ignore)
    proceed(run, material, ignore)
    assert len(outcomes(run)) == 15
    assert outcomes(killed) == outcomes(run)
