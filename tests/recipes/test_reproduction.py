"""Recipes carried out on miniatures of their data sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.model.model import load_model
from atrous.recipes import RECIPES
from atrous.recipes.changes import Changes
from atrous.recipes.recipe import Recipe
from atrous.recipes.reproduction import Reproduction, begin, carry_out
from atrous.training.loop import ignore
from tests.recipes.small import SMALL, data_of, narrow


def run(recipe: Recipe, data: Path, out: Path, changes: Changes = SMALL) -> list[str]:
    """Carries a recipe out, and gives what it told on the way."""
    told: list[str] = []
    assert carry_out(begin(recipe, data, out, changes), told.append, ignore) is not None
    return told


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_of(RECIPES["cityscapes-dpc"], tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("name", ["voc-dpc", "table1-mobilenetv2-aspp"])
def test_a_recipe_end_to_end(name: str, tmp_path: Path) -> None:
    recipe, out = narrow(RECIPES[name]), tmp_path / "out"
    run(recipe, data_of(recipe, tmp_path / "data"), out)
    model = load_model(out / "training/model")
    assert model.training_record["name"] == name
    assert model.blueprint.decoder is recipe.decoder
    result = json.loads((out / "result.json").read_text())
    assert [one["scoring"] for one in result["measured"]] == [s.name for s in recipe.scorings]
    assert all(one["images"] == 2 and 0 <= one["miou"] <= 1 for one in result["measured"])
    for scoring in recipe.scorings:
        written = json.loads((out / "scores" / scoring.name / "evaluation.json").read_text())
        assert (written["scales"], written["flip"]) == ([*scoring.scales], scoring.flip)
        if scoring.output_stride == 8:
            assert load_model(out / "stride-8").blueprint.output_stride == 8
    page = (out / "result.md").read_text()
    assert "This is not the published protocol" in page
    assert f"| steps | {recipe.protocol.steps:,} | 2 |" in page
    assert all(one.miou in page and one.source in page for one in recipe.published)
    assert all(line in page for line in (*recipe.deviations, *recipe.unpublished))
    assert ("its server" in page.lower()) is any(p.split == "test" for p in recipe.published)


def test_measured_stands_beside_published_and_beside_the_other(city: Path, tmp_path: Path) -> None:
    dpc, aspp = (narrow(RECIPES[f"table1-mobilenetv2-{cell}"]) for cell in ("dpc", "aspp"))
    run(dpc, city, tmp_path / dpc.name)
    page = (tmp_path / dpc.name / "result.md").read_text()
    measured = json.loads((tmp_path / dpc.name / "result.json").read_text())["measured"][0]
    own = f"{100 * measured['miou']:.2f} (2 images)"
    assert f"| {own} | 75.38 on val |" in page
    assert "atrous recipe run table1-mobilenetv2-aspp" in page
    run(aspp, city, tmp_path / "other" / aspp.name, replace(SMALL, seed=1))
    assert "measured, table1" not in (tmp_path / "other" / aspp.name / "result.md").read_text()
    run(aspp, city, tmp_path / aspp.name)
    page = (tmp_path / aspp.name / "result.md").read_text()
    assert f"| 73.97 on val | {own} |" in page
    assert "measured, table1-mobilenetv2-dpc" in page


def test_interrupted_it_goes_on_to_the_same_result(
    city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = narrow(RECIPES["cityscapes-dpc"])
    run(recipe, city, tmp_path / "whole")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    reproduction = begin(recipe, city, tmp_path / "stopped", SMALL)
    with pytest.raises(KeyboardInterrupt):
        carry_out(reproduction, lambda _: None, interrupt)
    stop_at(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        run(recipe, city, tmp_path / "stopped")
    monkeypatch.undo()
    told = run(recipe, city, tmp_path / "stopped")
    assert [line for line in told if line.startswith("scoring")] == [
        f"scoring {recipe.scorings[1].words}"
    ]
    whole, stopped = (
        json.loads((tmp_path / name / "result.json").read_text()) for name in ("whole", "stopped")
    )
    assert whole == stopped


def stop_at(monkeypatch: pytest.MonkeyPatch, scorings: int) -> None:
    """Interrupts when so many scorings are complete."""
    from atrous.recipes import reproduction

    real: Callable[..., Reproduction] = reproduction._scored
    done: list[int] = []

    def scored(*arguments: object) -> Reproduction:
        if len(done) == scorings:
            raise KeyboardInterrupt
        done.append(1)
        return real(*arguments)

    monkeypatch.setattr(reproduction, "_scored", scored)


def test_a_finished_recipe_does_nothing_again(city: Path, tmp_path: Path) -> None:
    recipe = narrow(RECIPES["table1-mobilenetv2-dpc"])
    run(recipe, city, tmp_path / "out")
    before = (tmp_path / "out/result.json").read_text()
    assert not any(line.startswith("scoring") for line in run(recipe, city, tmp_path / "out"))
    assert (tmp_path / "out/result.json").read_text() == before


def test_other_changes_in_the_same_folder_are_refused(city: Path, tmp_path: Path) -> None:
    recipe = narrow(RECIPES["table1-mobilenetv2-dpc"])
    begin(recipe, city, tmp_path, SMALL)
    with pytest.raises(AtrousError, match=r"steps was 2, now 4.*another --out"):
        begin(recipe, city, tmp_path, replace(SMALL, steps=4))
    with pytest.raises(AtrousError, match="architecture was"):
        begin(narrow(RECIPES["table1-mobilenetv2-aspp"]), city, tmp_path, SMALL)


def test_another_recipe_in_the_same_folder_is_refused(city: Path, tmp_path: Path) -> None:
    recipe = narrow(RECIPES["table1-mobilenetv2-dpc"])
    run(recipe, city, tmp_path)
    with pytest.raises(AtrousError, match="holds the recipe table1-mobilenetv2-dpc"):
        begin(narrow(RECIPES["table1-mobilenetv2-aspp"]), city, tmp_path, SMALL)


def test_a_damaged_result(city: Path, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"format": 1}')
    with pytest.raises(AtrousError, match="Delete the file"):
        begin(RECIPES["table1-mobilenetv2-dpc"], city, tmp_path, SMALL)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (replace(SMALL, crop=(64, 64)), "65x65"),
        (replace(SMALL, backbone="resnet_none"), "--backbone"),
        (replace(SMALL, weights="absent.pth"), "absent.pth"),
        (replace(SMALL, backbone="xception71"), "cannot be scored at 8"),
    ],
)
def test_what_is_wrong_is_told_before_anything_begins(
    changes: Changes, told: str, tmp_path: Path
) -> None:
    recipe = RECIPES["voc-dpc"]
    with pytest.raises(AtrousError, match=told):
        begin(recipe, data_of(recipe, tmp_path / "data"), tmp_path / "out", changes)
    assert not (tmp_path / "out").exists()
