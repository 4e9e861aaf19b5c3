"""The demonstration: drawn once, and gone on with by the same command."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from atrous.cli import app
from atrous.core.config import SearchConfig
from atrous.data.check import require_sound
from atrous.stages import search as driver
from atrous.stages.whole import request as demo
from atrous.stages.whole.request import kept
from tests.processes import left_behind


@pytest.fixture(autouse=True)
def _few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "IMAGES", 12)


def test_the_scenes_are_drawn_once_and_are_sound(tmp_path: Path) -> None:
    killed = left_behind(tmp_path)
    killed.mkdir()
    (killed / "half").touch()
    wish = demo.demo_config(tmp_path)
    driver.require_possible(wish.search)
    assert require_sound(Path(wish.search.data.path)) == [(256, 384)]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert len([path for path in before if path.suffix == ".png"]) >= 12
    assert not any("partial" in path.name or path.name == "half" for path in before)
    assert demo.demo_config(tmp_path) == wish
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_stopped_demonstration_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[SearchConfig] = []

    def stopped(request: SearchConfig, *_: object) -> None:
        asked.append(request)
        raise KeyboardInterrupt

    monkeypatch.setattr(driver, "begin", stopped)
    words = ["demo", "--out", str(tmp_path / "demo"), "--cache", str(tmp_path / "cache")]
    first, second = (CliRunner().invoke(app, words) for _ in range(2))
    run = tmp_path / "demo" / "run"
    for found in (first, second):
        assert f"Stopped. Go on: atrous run --resume {run}" in found.output
    assert asked == [kept(run).search] * 2
    assert asked[0].data.path == str((tmp_path / "demo" / "scenes").resolve())
    assert (asked[0].budget.seconds, asked[0].encoder.weights) == (demo.DEMO, "builtin")
