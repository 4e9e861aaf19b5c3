"""Real studies on small scenes: interrupted and resumed, and refused before anything is done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from atrous.core.console import untracked
from atrous.core.errors import AtrousError
from atrous.core.options import replaced
from atrous.core.stage_config import FidelityConfig
from atrous.core.trial import Outcome
from atrous.estimation.cached import Proxy
from atrous.estimation.end_to_end import FineTune
from atrous.estimation.tune import Choice, Workload
from atrous.networks.compute import Compute
from atrous.scenes.scene import write_scenes
from atrous.search.ledger import Entry
from atrous.stages.fidelity import measure as ways
from atrous.stages.fidelity.measure import measure, prepare
from atrous.stages.fidelity.result import gather
from atrous.stages.fidelity.study import Study, some_cells
from tests.stages.fidelity.studies import SETTINGS


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "scenes"
    write_scenes(root, 8, 0, (32, 48), untracked)
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def quick_choice(monkeypatch: pytest.MonkeyPatch) -> list[Workload]:
    """Computes as a remembered choice says; the workloads it was asked about."""
    asked: list[Workload] = []

    def choose(
        workload: Workload, device: str, workers: int | None, _most: int, _cache: Path
    ) -> Choice:
        asked.append(workload)
        return Choice(Compute(device, "float32", "channels_last", 1), workers or 1)

    monkeypatch.setattr(ways, "choose", choose)
    return asked


def asked(scenes: Path, **changes: Any) -> FidelityConfig:
    small: dict[str, Any] = {
        "data": str(scenes),
        "cells": 3,
        "backbone": "test_efficientnet",
        "large_backbone": "none",
        "crop": None,
        "steps": 3,
        "end_to_end_steps": 1,
        "workers": 1,
    }
    return replaced(SETTINGS, **(small | changes))


def run(
    settings: FidelityConfig, path: Path, cache: Path, stop_after: int | None = None
) -> tuple[Study, list[tuple[str, int]]]:
    """Measures until all is done, or until so many trials have ended."""
    study, found = prepare(settings, path, cache)
    begun: list[tuple[str, int]] = []
    ended: list[Entry] = []

    def watch(entry: Entry) -> None:
        ended.append(entry)
        if len(ended) == stop_after:
            raise KeyboardInterrupt

    measure(study, found, lambda name, done: begun.append((name, done)), watch)
    return study, begun


def outcomes(study: Study) -> dict[str, list[Outcome]]:
    """What was measured, without how long it took."""
    return {
        name: [replace(entry.outcome, seconds=0.0) for entry in entries]
        for name, entries in study.entries().items()
    }


@pytest.mark.slow
def test_an_interrupted_study_goes_on_to_the_same_end(
    scenes: Path, cache: Path, tmp_path: Path
) -> None:
    settings = asked(scenes)
    whole, begun = run(settings, tmp_path / "whole", cache)
    assert begun == [("cached", 0), ("end-to-end", 0)]
    found = gather(whole)
    assert found.missing == 0
    assert found.failures == ()
    assert {name: list(s) for name, s in found.scores.items()} == {
        "cached": list(some_cells(3)),
        "end-to-end": list(some_cells(3)),
    }
    for _ in range(2):  # once among the cached cells, once among the end-to-end ones
        with pytest.raises(KeyboardInterrupt):
            run(settings, tmp_path / "halting", cache, stop_after=2)
    halting, begun = run(settings, tmp_path / "halting", cache)
    assert begun == [("cached", 3), ("end-to-end", 1)]
    assert outcomes(halting) == outcomes(whole)


def test_trials_run_in_other_processes(scenes: Path, cache: Path, tmp_path: Path) -> None:
    study, ready = prepare(asked(scenes), tmp_path, cache)
    heard: list[Entry] = []
    measure(study, {"cached": ready["cached"]}, lambda *_: None, heard.append)
    assert len(heard) == 3
    assert outcomes(study)["cached"] == [replace(e.outcome, seconds=0.0) for e in heard]


@pytest.mark.slow
def test_each_setting_trains_what_it_says(
    scenes: Path, cache: Path, tmp_path: Path, quick_choice: list[Workload]
) -> None:
    settings = asked(scenes, large_backbone="test_resnet", large_cached=True, steps=5)
    study, ready = prepare(settings, tmp_path / "cached", cache)
    assert {name: (way.steps, way.workers) for name, way in ready.items()} == {
        "cached": (5, 1),
        "end-to-end": (1, 1),
        "large": (5, 1),
    }
    small, tuned, large = (way.estimator for way in ready.values())
    assert isinstance(small, Proxy)
    assert isinstance(large, Proxy)
    assert isinstance(tuned, FineTune)
    assert small.training.path != large.training.path
    assert tuned.blueprint.backbone == settings.small.backbone
    assert (tuned.protocol.crop, tuned.protocol.rate) == ((33, 49), 0.01)
    assert len(tuned.selection) == len(small.selection)
    assert len(quick_choice) == 2
    assert study.settings.proxy.crop == (33, 49)
    whole = replace(settings, large_cached=False)
    _, ready = prepare(whole, tmp_path / "whole", cache)
    estimator = ready["large"].estimator
    assert isinstance(estimator, FineTune)
    assert estimator.blueprint.backbone == "test_resnet"
    assert estimator.folder != tuned.folder


def test_a_study_goes_on_as_it_computed_before(
    scenes: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = prepare(asked(scenes), tmp_path, cache)

    def other(*_: object) -> Choice:
        raise AssertionError("asked for the fastest way again")

    monkeypatch.setattr(ways, "choose", other)
    again, _ = prepare(asked(scenes), tmp_path, cache)
    assert again == first


def test_a_study_that_began_otherwise_is_refused(scenes: Path, cache: Path, tmp_path: Path) -> None:
    prepare(asked(scenes), tmp_path, cache)
    with pytest.raises(AtrousError, match="--filters was 8, now 16"):
        prepare(asked(scenes, filters=16), tmp_path, cache)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0, "batch": 1}, "--steps is at least 1, got 0. --batch is at least 2, got 1"),
        ({"end_to_end_rate": 0.0}, r"--end-to-end-rate is a positive number, got 0\.0"),
        ({"output_stride": 4}, "--output-stride is 8, 16 or 32, got 4"),
        ({"cells": 32}, "--cells is from 3 to 31, got 32"),
        ({"crop": (64, 97)}, "--crop 65x97"),
        ({"large_backbone": "nonesuch"}, "nonesuch"),
        ({"device": "tpu"}, "--device"),
        ({"data": "/nowhere"}, "/nowhere"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    scenes: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(AtrousError, match=message):
        prepare(asked(scenes, **changes), tmp_path / "study", tmp_path / "cache")
    assert list(tmp_path.iterdir()) == []
