"""The command, from its arguments to the folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from atrous.cli.search import fidelity
from atrous.core.console import untracked
from atrous.estimation.tune import Choice
from atrous.networks.compute import Compute
from atrous.scenes.scene import write_scenes
from atrous.stages.fidelity import measure as ways
from atrous.stages.fidelity.study import open_study

SMALL = (
    "--cells=3",
    "--steps=2",
    "--end-to-end-steps=1",
    "--batch=2",
    "--filters=8",
    "--workers=1",
    "--backbone=test_efficientnet",
)


@pytest.mark.slow
def test_a_study_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choice = Choice(Compute("cpu", "float32", "channels_last", 1), 1)
    monkeypatch.setattr(ways, "choose", lambda *_: choice)
    write_scenes(tmp_path / "scenes", 8, 0, (32, 48), untracked)
    app = typer.Typer()
    app.command()(fidelity)
    places = ["--out", str(tmp_path / "study"), "--cache", str(tmp_path / "cache")]
    large = [
        "--backbone",
        "test_efficientnet",
        "--large-backbone",
        "test_resnet",
        "--large-weights",
        "none",
        "--large-cached",
    ]
    given = [str(tmp_path / "scenes"), *SMALL, *places, *large]
    done = CliRunner().invoke(
        app, [*given, "--weights", "none", "--device", "cpu"], catch_exceptions=False
    )
    assert done.exit_code == 0
    assert "rank correlation" in done.output
    study = open_study(tmp_path / "study")
    assert study is not None
    assert {name: len(entries) for name, entries in study.entries().items()} == {
        "cached": 3,
        "end-to-end": 3,
        "large": 3,
    }
    assert (tmp_path / "study" / "fidelity.md").read_text().startswith("# How far")
    assert (tmp_path / "study" / "cached-large.svg").exists()
