"""The model card: what the hub reads, what a person reads, and code that runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCardData
from huggingface_hub.repocard import ModelCard

from atrous.core.errors import AtrousError
from atrous.model.card import drawing
from atrous.model.export.exported import export_model
from atrous.model.folder import add_evaluation, add_verdict
from atrous.model.model import Model, load_model, save_model
from atrous.spaces import find_architecture
from tests.data.folder import picture
from tests.model.material import BLUEPRINT, TRAINING, evaluation, logits, model, saved


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return saved(tmp_path / "model")


def card(folder: Path) -> str:
    return (folder / "README.md").read_text()


def metadata(folder: Path) -> ModelCardData:
    data = ModelCard.load(folder / "README.md").data
    assert isinstance(data, ModelCardData)
    return data


def with_training(tmp_path: Path, record: dict[str, Any]) -> Path:
    one = model()
    save_model(Model(one.network, one.blueprint, record), tmp_path / "model")
    return tmp_path / "model"


def test_the_hub_finds_its_fields(folder: Path) -> None:
    data = metadata(folder)
    assert data.library_name == "atrous"
    assert data.pipeline_tag == "image-segmentation"
    assert data.license == "other"
    assert data.datasets == ["streets"]
    assert data.eval_results is None


def test_the_hub_finds_what_was_measured(folder: Path) -> None:
    add_evaluation(folder, evaluation(), "measured")
    add_evaluation(folder, evaluation(split="val", miou=0.5), "measured")
    data = metadata(folder)
    assert data.metrics == ["accuracy", "mean_iou"]
    assert data.eval_results is not None
    found = [
        (result.dataset_name, result.dataset_split, result.metric_type, result.metric_value)
        for result in data.eval_results
    ]
    assert found == [
        ("streets", "test", "mean_iou", 0.55),
        ("streets", "test", "accuracy", 0.8),
        ("streets", "val", "mean_iou", 0.5),
        ("streets", "val", "accuracy", 0.8),
    ]


def test_a_licence_that_is_given_is_named(tmp_path: Path) -> None:
    folder = with_training(tmp_path, {"licence": "apache-2.0"})
    assert metadata(folder).license == "apache-2.0"


def test_a_person_finds_the_facts(folder: Path) -> None:
    parameters = sum(p.numel() for p in load_model(folder).parameters())
    for fact in (
        "# dpc-2:0.3.1.54 on streets",
        "| 1 | road | #e69f00 |",
        "`test_resnet` of timm, at output stride 16",
        f"parameters: {parameters:,}",
        "multiply-adds: 123,456,789 at 33 x 65 pixels",
        "| licence of the data | CC BY 4.0 |",
        "| steps | 3,000 |",
        "| mIoU on the images it was selected on, in percent | 61.2 |",
        "Not measured yet.",
        "another camera, place, season or light",
    ):
        assert fact in card(folder)


def test_every_key_of_the_training_record_may_be_missing(tmp_path: Path) -> None:
    for key in TRAINING:
        record = {k: v for k, v in TRAINING.items() if k != key}
        text = card(with_training(tmp_path, record))
        assert "None" not in text.replace("[None]", "").replace("run(None", "")
        assert "## Training" in text


def test_a_path_of_this_machine_is_not_published(tmp_path: Path) -> None:
    folder = with_training(tmp_path, {"data": "/home/somebody/My streets"})
    assert "somebody" not in card(folder)
    assert metadata(folder).datasets == ["My-streets"]


def test_a_cell_is_drawn_as_a_tree() -> None:
    assert drawing(find_architecture("dpc:top1")).splitlines() == [
        "feature map",
        "└── branch 0: 3x3 rate 1x6",
        "    ├── branch 1: 3x3 rate 18x15",
        "    │   └── branch 2: 3x3 rate 6x3",
        "    ├── branch 3: 3x3 rate 1x1",
        "    └── branch 4: 3x3 rate 6x21",
        "all branches -> concatenation -> 1x1 projection",
    ]


def test_measured_numbers_are_renewed_and_everything_else_stays(folder: Path) -> None:
    edited = card(folder).replace("license: other", "license: cc-by-4.0\nlicense_link: my page")
    edited = edited.replace("## Limits", "## My words\n\nHello.\n\n## Limits")
    (folder / "README.md").write_text(edited)
    add_evaluation(folder, evaluation(), "measured")
    add_evaluation(folder, evaluation(miou=0.5612), "measured")
    text = card(folder)
    assert "## My words\n\nHello.\n\n## Limits" in text
    assert "license: cc-by-4.0\n" in text
    assert "license_link: my page\n" in text
    assert text.count("## Measured") == 1
    assert "| streets | test | 233 | scale 1 | 56.1 | 70.0 | 80.0 | 65.0 |" in text
    assert "| car | absent |" in text
    assert "Not measured yet" not in text
    assert edited.partition("# dpc")[2].partition("<!--")[0] in text


def test_a_card_whose_markers_were_deleted_keeps_its_text(folder: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: mit\n---\n\nMy own card.\n")
    add_evaluation(folder, evaluation(), "measured")
    assert card(folder).endswith("\nMy own card.\n")
    assert metadata(folder).eval_results


def test_a_deleted_card_is_written_anew(folder: Path) -> None:
    before = card(folder)
    add_evaluation(folder, evaluation(), "measured")
    measured = card(folder)
    (folder / "README.md").unlink()
    add_evaluation(folder, evaluation(), "measured")
    assert card(folder) == measured
    assert before.partition("## Use")[0].partition("# dpc")[2] in measured


def test_front_matter_that_is_no_yaml_is_named_and_the_evaluation_kept(folder: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: [\n---\n\nMine.\n")
    with pytest.raises(AtrousError, match=r"front matter of README\.md.*is kept"):
        add_evaluation(folder, evaluation(), "measured")
    assert load_model(folder).papers.evaluations == (evaluation(),)
    assert card(folder) == "---\nlicense: [\n---\n\nMine.\n"


def test_class_and_data_names_cannot_break_the_tables(tmp_path: Path) -> None:
    names = ("a|b", "<img src=x>", "two\nlines")
    folder = saved(tmp_path / "model", classes=names)
    shares = dict.fromkeys(names, 0.5)
    for text in ("measured", "again"):
        add_evaluation(folder, evaluation(data="x --> y | z", class_iou=shares), text)
    text = card(folder)
    assert "| 0 | a\\|b | #0072b2 |" in text
    assert "| 1 | &lt;img src=x> |" in text
    assert "| 2 | two lines |" in text
    assert (folder / "evaluation.md").read_text().count("<!--") == 1
    assert load_model(folder).classes == names


def snippets(folder: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", card(folder), re.DOTALL)


def test_the_python_of_the_card_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved(Path("my 'model'"))
    picture(1, 45, 61).save("photo.jpg")
    names: dict[str, Any] = {}
    exec(snippets(Path("my 'model'"))[0], names)
    assert names["labels"].shape == (45, 61)
    assert torch.equal(logits(names["model"]), logits(model()))


@pytest.mark.slow
def test_the_onnxruntime_of_the_card_gives_what_the_model_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is the one that the program writes beside the card."""
    monkeypatch.chdir(tmp_path)
    one = saved(Path("model"))
    export_model(load_model(one), Path("model.onnx"), "onnx")
    picture(1, 45, 61).save("photo.jpg")
    names: dict[str, Any] = {}
    exec(snippets(one)[1], names)
    loaded = load_model(one)
    with names["Image"].open("photo.jpg") as photo, torch.no_grad():
        expected = loaded(loaded.transform(photo)[None])
    np.testing.assert_allclose(names["logits"], expected.numpy(), atol=1e-3)
    assert names["labels"].shape == (45, 61)


def test_the_verdict_of_a_run_is_told_and_stays(folder: Path) -> None:
    words = "Trial 6 is no different from fpn, the best fixed rival at its cost: +0.4 points."
    assert "Was the search worth it?" not in card(folder)
    add_verdict(folder, "Another.")
    add_verdict(folder, words)
    add_evaluation(folder, evaluation(), "measured")
    assert f"## Was the search worth it?\n\n{words}\n" in card(folder)
    assert "Another." not in card(folder)


def test_a_card_of_the_blueprint_without_decoder_says_so(tmp_path: Path) -> None:
    assert BLUEPRINT.decoder
    assert "decoder: none" in card(saved(tmp_path / "model", decoder=False))
