"""A model's folder: what goes in comes out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import cast

import pytest
import torch

import atrous
from atrous.core.errors import AtrousError
from atrous.core.records import to_json
from atrous.data.transform import Transform
from atrous.model.folder import FILES, add_evaluation
from atrous.model.model import Model, load_model, save_model
from atrous.networks.backbones import Backbone
from atrous.networks.weights import digest
from tests.model.material import BLUEPRINT, TRAINING, evaluation, logits, model, saved


def test_a_loaded_model_is_the_saved_one(tmp_path: Path) -> None:
    before = model()
    before.transform = Transform((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    save_model(before, tmp_path / "deep" / "model")
    after = load_model(tmp_path / "deep" / "model")
    assert torch.equal(logits(after), logits(before))
    assert after.blueprint == BLUEPRINT
    assert after.transform == before.transform
    assert after.training_record == {**TRAINING, "crop": [33, 65]}
    assert not after.training
    weights = digest(cast(Backbone, before.network.backbone).network)
    assert cast(Backbone, after.network.backbone).weights_digest == weights


def test_load_takes_text_and_a_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    assert torch.equal(logits(atrous.load("~/model")), logits(atrous.load(str(folder))))


def test_a_model_in_training_mode_and_half_precision_can_be_saved(tmp_path: Path) -> None:
    before = model()
    save_model(before.half().train(), tmp_path / "model")
    after = load_model(tmp_path / "model")
    assert next(after.parameters()).dtype == torch.float32
    assert torch.equal(logits(after), logits(before.float().eval()))


def test_numbers_that_json_lacks_do_not_cost_the_model(tmp_path: Path) -> None:
    before = model()
    before.training_record["selection_miou"] = float("nan")
    save_model(before, tmp_path / "model")
    assert load_model(tmp_path / "model").training_record["selection_miou"] is None


def test_a_loaded_model_keeps_its_papers_when_it_is_saved_elsewhere(
    folder: Path, tmp_path: Path
) -> None:
    add_evaluation(folder, evaluation(), "measured")
    with (folder / "README.md").open("a") as card:
        card.write("A note of mine.\n")
    save_model(load_model(folder), tmp_path / "copy")
    for name in FILES:
        assert (tmp_path / "copy" / name).read_bytes() == (folder / name).read_bytes()


def test_evaluations_of_different_things_are_kept_and_of_the_same_replaced(folder: Path) -> None:
    (folder / "evaluation.md").write_text("A note of mine.\n\n")
    add_evaluation(folder, evaluation(), "## one scale\n\nfirst")
    add_evaluation(folder, evaluation(scales=(0.5, 1.0), flip=True, miou=0.6), "## two scales")
    add_evaluation(folder, evaluation(miou=0.56), "## one scale\n\nagain")
    records = json.loads((folder / "evaluation.json").read_text())
    assert [record["miou"] for record in records] == [0.56, 0.6]
    assert all(record.pop("seal") for record in records)
    assert records[0] == to_json(evaluation(miou=0.56))
    page = (folder / "evaluation.md").read_text()
    assert page.startswith("A note of mine.")
    assert "first" not in page
    assert page.index("again") < page.index("## two scales")
    assert to_json(load_model(folder).papers.evaluations) == records


def test_an_evaluation_of_other_classes_changes_nothing(folder: Path) -> None:
    other = evaluation(class_iou={"sky": 0.1, "road": 0.2}, confusion=((1, 2), (3, 4)))
    with pytest.raises(AtrousError, match="is of 2 classes"):
        add_evaluation(folder, other, "measured")
    assert not (folder / "evaluation.json").exists()


def test_what_is_no_list_of_evaluations_is_named(folder: Path) -> None:
    add_evaluation(folder, evaluation(), "measured")
    path = folder / "evaluation.json"
    (record,) = json.loads(path.read_text())
    for content, message in (
        ({}, "should be a valid array"),
        (["text"], "0"),
        ([{**record, "miou": "good"}], r"\[0\]\.miou"),
        ([{"data": "streets"}], "split"),
    ):
        path.write_text(json.dumps(content))
        with pytest.raises(AtrousError, match=f"{message}.*delete evaluation.json"):
            load_model(folder)


def test_an_evaluation_needs_a_model(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match=r"holds no model\.json"):
        add_evaluation(tmp_path, evaluation(), "measured")


def test_json_is_readable_and_keeps_names_of_any_language(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", classes=("Straße", "道路", "car"))
    assert '"Straße"' in (folder / "model.json").read_text()
    assert load_model(folder).classes == ("Straße", "道路", "car")


def test_a_model_can_be_made_without_a_record(tmp_path: Path) -> None:
    bare = Model(model().network, BLUEPRINT)
    save_model(bare, tmp_path / "model")
    after = load_model(tmp_path / "model")
    assert after.training_record == {}
    assert "not stated" in (tmp_path / "model" / "README.md").read_text()


def test_others_may_read_what_the_umask_lets_them(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        save_model(model(), tmp_path / "model")
    finally:
        os.umask(before)
    assert (tmp_path / "model" / "model.safetensors").stat().st_mode & 0o777 == 0o644
