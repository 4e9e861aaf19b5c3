"""A model folder assessed on a data set, end to end, as `atrous evaluate` does it."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from torch import nn
from typer.testing import CliRunner, Result

from atrous.cli.model import evaluate as command
from atrous.core.errors import AtrousError
from atrous.core.records import from_text, to_json
from atrous.data.dataset import Dataset, read_labels
from atrous.data.encoding import distinct
from atrous.model.evaluation.assessment import (
    TALLY,
    EvaluationRequest,
    count_rest,
    labelled_split,
    prepare,
    require_same_classes,
)
from atrous.model.evaluation.publication import publish
from atrous.model.evaluation.record import Evaluation
from atrous.model.model import Model, load_model, save_model
from atrous.scenes.scene import write_scenes
from atrous.spaces import find_architecture
from atrous.spaces.blueprint import Blueprint, build_network
from atrous.tasks.segmentation import evaluate as counting
from atrous.tasks.segmentation.evaluate import evaluate
from tests.data import folder

SIZE = (48, 64)
IMAGES = 40

app = typer.Typer()
app.command()(command)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_scenes(tmp_path_factory.mktemp("home") / "scenes", IMAGES, seed=0, size=SIZE)


@pytest.fixture(scope="module")
def trained(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model; its weights are drawn by chance."""
    classes = dataset.classes
    blueprint = Blueprint(
        find_architecture("dpc:aspp"), "mobilenetv2_035", 16, 8, False, classes,
        distinct(len(classes)),
    )  # fmt: skip
    path = tmp_path_factory.mktemp("trained") / "model"
    save_model(Model(build_network(blueprint, seed=3), blueprint), path)
    return path


@pytest.fixture
def model(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "model"))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refusal(*arguments: str | Path) -> str:
    """What the command says no with."""
    error = run(*arguments).exception
    assert isinstance(error, AtrousError), error
    return str(error)


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_everything_is_written_and_agrees(model: Path, dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(model, dataset.root, "--out", out, "--pictures", "3", "--device", "cpu")
    assert result.exit_code == 0, result.exception
    samples, loaded = dataset.splits["val"], load_model(model)
    counts = evaluate(loaded.network, loaded.transform, samples, len(dataset.classes))
    found = from_text(Evaluation, (out / "evaluation.json").read_text())
    np.testing.assert_array_equal(found.counts, counts)
    assert (found.data, found.split, found.images) == ("scenes", "val", len(samples))
    assert found.classes == dataset.classes
    labelled = sum(int((read_labels(sample) != 255).sum()) for sample in samples)
    assert found.counts.sum() == labelled
    with (out / "confusion.csv").open(newline="") as file:
        _, *rows = list(csv.reader(file))
    assert [[int(cell) for cell in row[1:]] for row in rows] == counts.tolist()
    percent = f"{100 * found.miou:.1f}"
    assert percent in (out / "evaluation.md").read_text()
    assert percent in result.output
    with Image.open(out / "pictures-1.png") as sheet:
        assert sheet.width > 4 * SIZE[1]
    assert {path.name for path in out.iterdir()} == {
        "evaluation.md", "evaluation.json", "confusion.csv", "pictures-1.png",
    }  # fmt: skip


def test_the_model_keeps_its_evaluations(model: Path, dataset: Dataset) -> None:
    for arguments in (["--split", "test"], ["--flip"], ["--flip"]):
        result = run(model, dataset.root, *arguments, "--pictures", "0", "--json")
        assert result.exit_code == 0, result.exception
    records = read(model / "evaluation.json")
    assert [(r["split"], r["flip"]) for r in records] == [("test", False), ("val", True)]
    assert {**json.loads(result.stdout), "seal": records[1]["seal"]} == records[1]
    assert "## scenes, test" in (model / "evaluation.md").read_text()
    folders = sorted(path.name for path in (model / "evaluations").iterdir())
    assert folders == ["scenes-test", "scenes-val-flip"]
    assert not list(model.glob("evaluations/*/*.png"))
    assert load_model(model).papers.evaluations[1].miou == records[1]["miou"]


def test_scales_are_taken(model: Path, dataset: Dataset, tmp_path: Path) -> None:
    arguments = ("--scales", "0.5,1.5", "--pictures", "0", "--out", tmp_path / "out")
    result = run(model, dataset.root, *arguments)
    assert result.exit_code == 0, result.exception
    assert "scales 0.5, 1.5" in result.output
    loaded = load_model(model)
    samples, classes = dataset.splits["val"], len(dataset.classes)
    counts = evaluate(loaded.network, loaded.transform, samples, classes, (0.5, 1.5))
    assert read(tmp_path / "out" / "evaluation.json")["confusion"] == counts.tolist()


def test_stopped_and_gone_on_with_it_gives_the_same_counts(
    model: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, predict, passes = tmp_path / "out", counting.Examination.predict, []

    def interrupted(self: counting.Examination, images: Any) -> Any:
        passes.append(len(images))
        if len(passes) == 4:
            raise KeyboardInterrupt
        return predict(self, images)

    arguments = (model, dataset.root, "--out", out, "--pictures", "0", "--device", "cpu")
    monkeypatch.setattr(counting.Examination, "predict", interrupted)
    result = run(*arguments)
    assert result.exit_code != 0
    assert "3 of 6 images are counted" in result.stderr
    assert [path.name for path in out.iterdir()] == [TALLY]
    passes.clear()
    passes += [0] * 4
    assert run(*arguments).exit_code == 0
    assert len(passes) == 4 + 3
    stopped = read(out / "evaluation.json")
    monkeypatch.undo()
    whole = EvaluationRequest(model, dataset.root, device="cpu", out=tmp_path / "whole", pictures=0)
    assert {**to_json(count_rest(prepare(whole))), "seal": stopped["seal"]} == stopped


def test_other_weights_begin_anew(model: Path, dataset: Dataset, tmp_path: Path) -> None:
    request = EvaluationRequest(model, dataset.root, device="cpu", out=tmp_path / "out", pictures=0)
    count_rest(prepare(request))
    assert prepare(request).tally.done == len(dataset.splits["val"])
    loaded = load_model(model)
    nn.init.ones_(loaded.network.logits.weight)
    save_model(loaded, model)
    assert prepare(request).tally.done == 0


def test_pictures_go_on_several_sheets(model: Path, dataset: Dataset, tmp_path: Path) -> None:
    arguments = ("--split", "train", "--pictures", "9", "--out", tmp_path / "out")
    assert run(model, dataset.root, *arguments).exit_code == 0
    heights = []
    for number in (1, 2):
        with Image.open(tmp_path / "out" / f"pictures-{number}.png") as sheet:
            heights.append(sheet.height)
    assert heights[0] > 4 * heights[1]
    assert "pictures-2.png" in (tmp_path / "out" / "evaluation.md").read_text()


def test_other_classes_are_refused_before_anything_is_written(
    model: Path, dataset: Dataset, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(dataset.root, tmp_path / "other"))
    names = ["heaven", *dataset.classes[1:]]
    (root / "classes.txt").write_text("\n".join(names))
    text = refusal(model, root)
    assert "only in the model: sky" in text
    assert "only in the data: heaven" in text
    (root / "classes.txt").write_text("\n".join(reversed(dataset.classes)))
    assert "class 0 is sky in the model, sign in the data" in refusal(model, root)
    assert not (model / "evaluations").exists()


def test_what_cannot_be_evaluated_is_refused(model: Path, dataset: Dataset, tmp_path: Path) -> None:
    data = dataset.root
    assert "no split 'valid'" in refusal(model, data, "--split", "valid")
    assert "--scales" in refusal(model, data, "--scales", "huge")
    assert "--device" in refusal(model, data, "--device", "tpu")
    assert "nowhere" in refusal(tmp_path / "nowhere", data)
    assert "nowhere" in refusal(model, tmp_path / "nowhere")
    (tmp_path / "file").touch()
    assert "--out" in refusal(model, data, "--out", tmp_path / "file")


def test_a_broken_image_is_named(model: Path, dataset: Dataset, tmp_path: Path) -> None:
    root = Path(shutil.copytree(dataset.root, tmp_path / "broken"))
    broken = sorted((root / "images" / "val").iterdir())[-1]
    broken.write_bytes(b"no image")
    assert broken.name in refusal(model, root, "--pictures", "0")


def test_an_evaluation_says_what_the_check_says(
    model: Path, dataset: Dataset, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(dataset.root, tmp_path / "scenes"))
    mask = next(iter(sorted((root / "masks" / "val").iterdir())))
    with Image.open(mask) as opened:
        Image.fromarray(np.asarray(opened).astype(np.uint16)).save(mask)
    assert f"masks/val/{mask.name}: stores 16 bits a pixel" in refusal(model, root)


def test_a_finished_count_is_published_without_counting_again(
    model: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = EvaluationRequest(model, dataset.root, out=tmp_path / "out", pictures=0)
    count_rest(prepare(request))
    monkeypatch.setattr(counting.Examination, "predict", None)
    again = prepare(request)
    count_rest(again)
    publish(again)
    assert read(model / "evaluation.json")[0]["images"] == len(dataset.splits["val"])


def of_classes(*classes: str) -> Dataset:
    return Dataset(Path("streets"), classes, {})


def other_classes(ours: tuple[str, ...], theirs: tuple[str, ...]) -> str:
    with pytest.raises(AtrousError) as refused:
        require_same_classes(ours, of_classes(*theirs))
    return str(refused.value)


def test_the_same_classes_pass() -> None:
    require_same_classes(("road", "car"), of_classes("road", "car"))


def test_differences_are_listed() -> None:
    text = other_classes(("road", "car", "sky"), ("road", "tram", "sky", "tree"))
    assert "3 in the model, 4 in the data" in text
    assert "1 only in the model: car" in text
    assert "2 only in the data: tram, tree" in text
    assert "To mend" in text


def test_a_class_too_few_is_no_order() -> None:
    text = other_classes(("road", "car"), ("road",))
    assert "1 only in the model: car" in text
    assert "only in the data" not in text


def test_another_order_is_refused_with_the_right_one() -> None:
    text = other_classes(("road", "car", "sky"), ("road", "sky", "car"))
    assert "class 1 is car in the model, sky in the data; 2 is sky" in text
    assert "renumber the masks" in text
    assert text.endswith("road, car, sky.")


def test_long_lists_are_cut() -> None:
    ours, theirs = (tuple(f"{side}{k}" for k in range(200)) for side in "ab")
    text = other_classes(ours, theirs)
    assert "a7 and 192 more" in text
    assert "a8" not in text


def test_a_split_gives_its_samples(tmp_path: Path) -> None:
    root = folder.write(tmp_path / "data", train=2, val=3, test=1)
    found, samples = labelled_split(root, "val")
    assert len(samples) == 3
    assert found.splits["val"] == samples


def test_a_split_without_labels_is_refused(tmp_path: Path) -> None:
    root = folder.write(tmp_path / "data", train=2, val=2, test=3)
    shutil.rmtree(root / "masks" / "test")
    with pytest.raises(AtrousError, match=r"3 images .* have no labels.*--split val"):
        labelled_split(root, "test")


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    root = folder.write(tmp_path / "data", train=2, val=0, test=0)
    with pytest.raises(AtrousError, match=r"val split of .* no image with a mask.*--split train"):
        labelled_split(root, "val")


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    root = folder.write(tmp_path / "data", train=2, val=2, test=0)
    with pytest.raises(AtrousError, match=r"no split 'valid'; it has train, val, test"):
        labelled_split(root, "valid")


def test_lacking_memory_of_a_cpu_is_told_and_what_was_counted_is_kept(
    model: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(*_: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")

    monkeypatch.setattr(counting.Examination, "predict", too_much)
    told = refusal(model, dataset.root, "--device", "cpu", "--out", tmp_path / "out")
    assert told.startswith("Not enough memory on cpu to look at an image as a whole (Default")
