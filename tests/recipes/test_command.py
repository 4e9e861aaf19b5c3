"""`atrous recipe` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from atrous.cli import explore as commands
from atrous.core import console
from atrous.core.errors import AtrousError
from atrous.recipes import RECIPES
from tests.cases import each
from tests.recipes.small import OPTIONS, data_of


def atrous(*arguments: str | Path) -> Result:
    return CliRunner().invoke(commands.recipe, [*map(str, arguments)])


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.output, "_width", 140)


def test_list() -> None:
    found = atrous("list")
    assert found.exit_code == 0
    lines = found.stdout.splitlines()
    for name, recipe in RECIPES.items():
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert recipe.need.layout in line
        assert all(f"{one.miou} {one.split}" in line for one in recipe.published)


@each("name", RECIPES)
def test_show(name: str) -> None:
    recipe = RECIPES[name]
    found = atrous("show", name)
    assert found.exit_code == 0
    for one in recipe.published:
        assert f"{one.miou} on {one.split}" in found.stdout
        assert one.source in found.stdout
    for line in (*recipe.deviations, *recipe.unpublished):
        assert line in found.stdout
    for download in recipe.need.downloads:
        assert download.page in found.stdout
    assert f"atrous train {recipe.architecture} --data DATA" in found.stdout
    assert f"{recipe.protocol.steps:,} steps of 16 crops" in found.stdout
    if recipe.cost:
        assert recipe.cost.parameters in found.stdout
        assert recipe.cost.multiply_adds in found.stdout


def test_the_printed_parameters_of_aspp_are_questioned() -> None:
    for name in ("table1-mobilenetv2-aspp", "table1-xception-aspp"):
        assert "fit no real ASPP" in atrous("show", name).stdout
    assert "fit no real ASPP" not in atrous("show", "table1-xception-dpc").stdout


def test_run(tmp_path: Path) -> None:
    data = data_of(RECIPES["table1-mobilenetv2-dpc"], tmp_path / "data")
    found = atrous(
        "run", "table1-mobilenetv2-dpc", "--data", data, "--out", tmp_path / "out", *OPTIONS
    )
    assert found.exit_code == 0, found.output
    assert "This is not the published protocol" in found.stdout
    assert "| backbone | mobilenetv2_100 | test_efficientnet |" in found.stdout
    assert "75.38 on val" in found.stdout
    assert str(tmp_path / "out/result.md") in found.stdout


def test_run_without_data(tmp_path: Path) -> None:
    found = atrous("run", "voc-dpc", "--data", tmp_path / "none")
    assert isinstance(found.exception, AtrousError)
    assert "VOCtrainval_11-May-2012.tar" in str(found.exception)


def test_an_unknown_recipe(tmp_path: Path) -> None:
    for arguments in (("show", "coco"), ("run", "coco", "--data", tmp_path)):
        assert isinstance(atrous(*arguments).exception, AtrousError)
