"""No damage of a model's folder goes unnoticed, and each is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from atrous.core.errors import AtrousError
from atrous.model.model import load_model
from atrous.model.record import Seal
from tests.model.material import BLUEPRINT, saved

Change = Callable[[dict[str, Any]], object]


def change(folder: Path, edit: Change) -> None:
    """Changes model.json, on purpose: without its seal."""
    path = folder / "model.json"
    content = json.loads(path.read_text())
    content.pop("seal", None)
    edit(content)
    path.write_text(json.dumps(content))


def reseal(folder: Path) -> None:
    """Makes model.json agree with whatever model.safetensors holds now."""
    seal = Seal.of(folder / "model.safetensors")
    change(folder, lambda c: c["weights"].update(size=seal.size, sha256=seal.sha256))


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_file_cut_short_is_refused(folder: Path, name: str, share: float) -> None:
    path = folder / name
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(AtrousError, match=rf"{name}(, but: | is cut short).*[Cc]opy"):
        load_model(folder)


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(AtrousError, match=name):
        load_model(folder)


def test_texts_can_be_missing(folder: Path) -> None:
    (folder / "README.md").unlink()
    assert load_model(folder).papers.card == ""


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match="nothing, which does not exist"):
        load_model(tmp_path / "nothing")
    (tmp_path / "file").touch()
    with pytest.raises(AtrousError, match="file, which is a file"):
        load_model(tmp_path / "file")


@pytest.mark.parametrize("content", ["[]", "{}", '"atrous"', '{"modelTopology": {}, "format": 1}'])
def test_a_foreign_model_json_is_refused(folder: Path, content: str) -> None:
    (folder / "model.json").write_text(content)
    with pytest.raises(
        AtrousError,
        match=r"model\.json.*(format None|not an object|modelTopology).*folder that atrous saved",
    ):
        load_model(folder)


def test_bytes_that_are_no_text_are_refused(folder: Path) -> None:
    (folder / "model.json").write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(AtrousError, match=r"Expected the record of a model in .*model\.json"):
        load_model(folder)


def test_another_format_is_told(folder: Path) -> None:
    change(folder, lambda c: c.update(format=2))
    with pytest.raises(AtrousError, match=r"has format 2 there, and this version reads format 1"):
        load_model(folder)


@pytest.mark.parametrize("key", ["blueprint", "preprocessing", "training", "software", "weights"])
def test_a_field_that_is_missing_or_senseless_is_refused(folder: Path, key: str) -> None:
    sound = (folder / "model.json").read_text()
    values: tuple[object, ...] = (None, 3, "text", [1], {})
    for value in values:
        content = {name: each for name, each in json.loads(sound).items() if name != "seal"}
        content[key] = value
        if value is None:
            del content[key]
        (folder / "model.json").write_text(json.dumps(content))
        if value == {} and key in ("training", "software"):
            assert load_model(folder).blueprint == BLUEPRINT
        else:
            with pytest.raises(AtrousError, match=rf"model\.json, but: .*{key}"):
                load_model(folder)


def test_all_errors_are_told_at_once(folder: Path) -> None:
    change(folder, lambda c: c["blueprint"].update(filters="many", backbone=3))
    change(folder, lambda c: c["weights"].update(size=-0.5))
    with pytest.raises(AtrousError) as refused:
        load_model(folder)
    for field in ("blueprint.filters", "blueprint.backbone", "weights.size"):
        assert field in str(refused.value)


def test_a_network_that_cannot_be_built_is_refused(folder: Path) -> None:
    sound = (folder / "model.json").read_text()
    cases: list[tuple[str, object]] = [
        ("backbone", "resnet_of_mine"),
        ("output_stride", 7),
        ("output_stride", None),
        ("filters", -3),
        ("filters", "many"),
        ("architecture", "dpc:0.99"),
        ("architecture", "nas:1.2"),
        ("architecture", "other.json"),
        ("architecture", 7),
        ("classes", ["sky"]),
        ("classes", 5),
        ("colours", [[0, 0]]),
        ("colours", "red"),
    ]
    for field, value in cases:
        content = json.loads(sound)
        content["blueprint"][field] = value
        (folder / "model.json").write_text(json.dumps(content))
        with pytest.raises(AtrousError, match=r"model\.json(, but: | describes a network)"):
            load_model(folder)


def test_an_unknown_backbone_names_the_versions(folder: Path) -> None:
    change(folder, lambda c: c["blueprint"].update(backbone="resnet_of_tomorrow"))
    change(folder, lambda c: c["software"].update(timm="9.9"))
    with pytest.raises(AtrousError, match=r"resnet_of_tomorrow.*saved with timm 9\.9 \(here "):
        load_model(folder)


def test_one_changed_byte_is_noticed(folder: Path) -> None:
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(AtrousError, match="is not the file that was saved with its model"):
        load_model(folder)


def test_the_weights_of_another_model_are_noticed(folder: Path, tmp_path: Path) -> None:
    other = saved(tmp_path / "other", seed=4)
    shutil.copy(other / "model.safetensors", folder)
    with pytest.raises(AtrousError, match="is not the file that was saved with its model"):
        load_model(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"filters": 16}, r"tensors are of another shape: .*expected \[56\], got \[64\]"),
        ({"decoder": False}, "missing: decoder"),
        ({"backbone": "test_byobnet"}, "missing: .* and .* unknown: "),
    ],
)
def test_weights_of_another_architecture_are_refused(
    folder: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    other = saved(tmp_path / "other", **changes)
    shutil.copy(other / "model.safetensors", folder)
    reseal(folder)
    with pytest.raises(AtrousError, match=f"the weights of another network.*{message}"):
        load_model(folder)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip file, perhaps a .pth", b"\x80\x02}q"])
def test_a_foreign_weights_file_is_refused(folder: Path, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(content)
    reseal(folder)
    with pytest.raises(AtrousError, match=r"model\.safetensors: expected a safetensors file"):
        load_model(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(folder: Path, value: float) -> None:
    state = load_file(folder / "model.safetensors")
    state["logits.bias"][1] = value
    save_file(state, folder / "model.safetensors")
    reseal(folder)
    with pytest.raises(AtrousError, match=r"1 of \d+ tensors hold NaN or infinity \(logits\.bias"):
        load_model(folder)


@pytest.mark.parametrize(
    "content", ["", "{}", "[3]", '[{"data": "streets"}]', '[{"miou": "good"}]', "\x00"]
)
def test_a_damaged_evaluation_is_refused(folder: Path, content: str) -> None:
    (folder / "evaluation.json").write_text(content)
    with pytest.raises(AtrousError, match=r"evaluation\.json"):
        load_model(folder)
