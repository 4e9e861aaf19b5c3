"""From a request to supernets, and from those to what is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from atrous.core.config import GRADIENT, GradientConfig, SearchConfig
from atrous.core.errors import AtrousError
from atrous.core.options import replaced
from atrous.core.trial import Measured
from atrous.estimation import estimators
from atrous.estimation.end_to_end import FineTune
from atrous.estimation.estimators import estimator_of
from atrous.estimation.search_data import unchanged_data
from atrous.networks import compute
from atrous.relax import loop
from atrous.relax.collapse import Snapshot, histories, read_history
from atrous.report.page import write_report
from atrous.search.ledger import Entry
from atrous.search.run import Run, open_run
from atrous.stages import relax
from atrous.stages import search as driver
from tests.small_search import config, ignore, remembered, write_data

SPACE = "auto_deeplab-2x1"


def asked(data: Path, gradient: GradientConfig | None, **changes: Any) -> SearchConfig:
    """A search of the smallest networks."""
    usual = config(
        data,
        space=SPACE,
        strategy=GRADIENT if gradient else "random",
        baselines=(),
        backbone=None,
        weights="none",
        output_stride=None,
        filters=2,
        steps=2,
        crop=(33, 65),
        gradient=gradient,
    )
    return replaced(usual, **changes)


SMALL = GradientConfig(steps=2, filters=2, crop=(33, 33), seeds=2, candidates=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("relax") / "data")


@pytest.fixture(autouse=True)
def _quick_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimators, "choose", remembered([]))
    for module in (estimators, relax):
        monkeypatch.setattr(module, "cores", lambda: 1)


def unheard(snapshot: Snapshot, warning: str | None) -> None:
    """Hears of nothing."""


def searched(run: Run, cache: Path) -> list[Entry]:
    """All that is left of a run, done."""
    strategy = relax.relax(run, unheard) if run.config.gradient else None
    driver.proceed(run, estimator_of(run, cache), ignore, strategy)
    return [entry for entry in run.ledger().entries() if not entry.trial.is_baseline]


def test_whole_networks_are_searched_at_random(data: Path, tmp_path: Path) -> None:
    run, estimator = driver.begin(asked(data, None), tmp_path / "run", tmp_path / "cache")
    assert isinstance(estimator, FineTune)
    assert run.context.maps == {1: (3, 33, 65)}
    entries = searched(run, tmp_path / "cache")
    assert [str(entry.trial.origin) for entry in entries] == ["uniform", "uniform"]
    assert all(isinstance(entry.outcome, Measured) for entry in entries)
    assert not (tmp_path / "cache" / "features").exists()


@pytest.mark.parametrize(
    "gate",
    ["fbnet", *(pytest.param(gate, marks=pytest.mark.slow) for gate in ("softmax", "gdas"))],
)
def test_what_is_decoded_is_measured_and_random_ones_beside_it(
    gate: str, data: Path, tmp_path: Path
) -> None:
    wish = asked(data, replace(SMALL, gate=gate), trials=5)
    run, _ = driver.begin(wish, tmp_path / "run", tmp_path / "cache")
    assert open_run(run.path).config == run.config
    entries = searched(run, tmp_path / "cache")
    origins = [str(entry.trial.origin) for entry in entries]
    decoded = [origin for origin in origins if origin.startswith(f"{gate} seed ")]
    assert 2 <= len(decoded) <= 4
    assert origins[len(decoded) :] == ["uniform"] * (5 - len(decoded))
    assert origins[0] == f"{gate} seed 0, choice 1"
    found = histories(run.path)
    assert list(found) == [0, 1]
    for path in found.values():
        assert [snapshot.step for snapshot in read_history(path)] == [1, 2]
    assert (run.path / "supernet" / "latency.json").exists() == (gate == "fbnet")
    page = write_report(run).read_text(encoding="utf-8")
    assert f"through the gate <code>{gate}</code>. The trellis shows every way" in page
    assert page.count("Strides decoded") == 2
    assert "Entropy of ways" in page
    assert relax.in_words(read_history(found[0])[-1]).startswith("step      2  loss ")


@pytest.mark.slow
def test_a_search_that_was_stopped_between_its_stages_is_the_same(
    data: Path, tmp_path: Path
) -> None:
    wish = asked(data, SMALL, trials=3)
    whole, _ = driver.begin(wish, tmp_path / "whole", tmp_path / "cache")
    stopped, _ = driver.begin(wish, tmp_path / "stopped", tmp_path / "cache")
    expected = [entry.outcome for entry in searched(whole, tmp_path / "cache")]
    relax.relax(stopped, unheard)
    assert stopped.ledger().entries() == []
    found = [e.outcome for e in searched(open_run(stopped.path), tmp_path / "cache")]
    assert [replace(o, seconds=0.0) for o in found] == [replace(o, seconds=0.0) for o in expected]


def test_the_published_numbers_are_filled_in(data: Path, tmp_path: Path) -> None:
    run, _ = driver.begin(asked(data, GradientConfig()), tmp_path / "run", tmp_path / "cache")
    (protocol,) = relax.protocols(run.config, "cpu", unchanged_data(run))
    assert (protocol.steps, protocol.warm_up) == (40 * 3 // 2, 0.5)
    assert (protocol.crop, protocol.scale) == ((65, 97), 1.0)
    assert (protocol.space, protocol.filters) == ("auto_deeplab-2x1", 8)


def test_large_images_are_searched_at_half_size_and_cropped() -> None:
    assert relax._crop(GradientConfig(), [(1024, 2048)], 32) == ((321, 321), 0.5)
    assert relax._crop(GradientConfig(crop=(65, 97)), [(360, 480)], 32) == ((65, 97), 1.0)
    assert relax._crop(GradientConfig(), [(200, 480)], 32) == ((225, 321), 1.0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"space": "dpc"}, r"--strategy gradient searches --space auto_deeplab"),
        ({"imitate": f"{SPACE}:plain"}, r"--imitate leans what a strategy proposes from scores"),
        ({"gradient": replace(SMALL, gate="beauty")}, r"--gate is one of softmax, gdas, fbnet"),
        (
            {"gradient": replace(SMALL, seeds=0, batch=0, warm_up=1.0)},
            r"--search-batch is at least 1, got 0. --warm-up .*. --seeds is at least 1, got 0",
        ),
        ({"gradient": replace(SMALL, crop=(50, 50))}, r"50x50"),
        (
            {"gradient": replace(SMALL, precision="bfloat16"), "device": "cpu"},
            r"--search-precision bfloat16\) trains whole networks on a GPU only",
        ),
        ({"baselines": ("dpc:aspp",)}, r"dpc:aspp cannot be trained beside --space auto_deeplab"),
    ],
)
def test_what_there_cannot_be_is_refused_before_anything_begins(
    changes: dict[str, Any], told: str, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(AtrousError, match=told):
        driver.begin(replaced(asked(data, SMALL), **changes), tmp_path / "run", tmp_path / "cache")
    assert not (tmp_path / "run").exists()


def test_the_memory_is_told_before_anything_begins(data: Path) -> None:
    small = relax.memory_needed(asked(data, SMALL))
    large = relax.memory_needed(asked(data, replace(SMALL, batch=4)))
    assert 0 < small.activations < large.activations < 3 * small.activations
    assert small.parameters == large.parameters


def test_a_supernet_without_room_leaves_no_folder_behind(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute, "machine_memory", lambda: 1000)
    with pytest.raises(AtrousError, match=r"a step of the supernet, which takes at least .*--plan"):
        driver.begin(asked(data, SMALL), tmp_path / "run", tmp_path / "cache")
    assert not (tmp_path / "run").exists()


def test_lacking_memory_of_a_cpu_is_told(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(*_: Any, **__: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")

    run, _ = driver.begin(asked(data, SMALL), tmp_path / "run", tmp_path)
    monkeypatch.setattr(loop, "run", too_much)
    with pytest.raises(AtrousError, match=r"Not enough memory on cpu .*--checkpointing"):
        relax.relax(run, unheard)
