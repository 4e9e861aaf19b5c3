"""The command on the page asks for the very search that the page shows."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path, PurePath

import pytest
from typer.testing import CliRunner

from atrous.cli import app
from atrous.core.config import GradientConfig, SearchConfig
from atrous.core.options import replaced
from atrous.report.page import command_parts
from atrous.search.run import Settings
from atrous.stages import search as driver
from tests.records import CONFIG, SETTINGS

GRADIENT = replaced(
    CONFIG,
    space="auto_deeplab-4x2",
    strategy="gradient",
    baselines=(),
    backbone=None,
    weights="none",
    output_stride=None,
    init="reference",
    optimiser="sgd",
    rate_warm_up=0.0,
    gradient=GradientConfig(
        gate="gdas",
        steps=30,
        filters=4,
        batch=3,
        crop=(65, 97),
        warm_up=0.25,
        seeds=2,
        candidates=3,
        neutral=True,
        precision="float32",
        checkpointing=True,
        hessian=True,
        stop=True,
    ),
)


class AskedError(Exception):
    """Ends the command where its request is known."""


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        replaced(CONFIG, time=1200.0, baselines=("dpc:aspp",), data="a folder"),
        GRADIENT,
        replace(GRADIENT, gradient=GradientConfig()),
    ],
    ids=["cells", "quoted", "gradient", "gradient by default"],
)
def test_the_command_asks_for_the_same_search(
    config: SearchConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: Settings = replace(SETTINGS, config=config, crop=(385, 481))
    heard: list[SearchConfig] = []

    def begin(asked: SearchConfig, _out: Path, _cache: Path) -> None:
        heard.append(asked)
        raise AskedError

    monkeypatch.setattr(driver, "begin", begin)
    monkeypatch.setattr(driver, "require_folder", lambda _: None)
    parts = shlex.split(" ".join(command_parts(settings)))
    result = CliRunner().invoke(app, parts[1:])
    assert isinstance(result.exception, AskedError), result.output
    name = PurePath(config.data.path).name
    chosen = replaced(
        config, workers=settings.workers, crop=settings.crop, device=settings.device, data=name
    )
    assert heard == [chosen]
