"""The same predictions scored by the program that Cityscapes publishes (cityscapesScripts)."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from atrous.data.dataset import Dataset, read_image
from atrous.data.layouts import read_dataset
from atrous.data.layouts.cityscapes import ROWS
from atrous.model.evaluation.assessment import make_evaluation
from atrous.model.evaluation.record import Evaluation
from atrous.tasks.segmentation.evaluate import Examination, evaluate
from tests.model.evaluation.material import ByColour, Size, transform

SIZES: tuple[Size, ...] = ((40, 64), (48, 64), (40, 64))
ABSENT = ("rider", "train")
"""Classes in neither label nor prediction, and one that is only predicted."""
ONLY_PREDICTED = "bus"
IDS = np.array([row.id for row in ROWS], dtype=np.uint8)


@pytest.fixture(scope="module")
def scripts() -> ModuleType:
    name = "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling"
    published = importlib.import_module(name)
    published.args.evalInstLevelScore = False
    published.args.JSONOutput = False
    published.args.quiet = True
    return published


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Label ids from 0 to 33, those that are not evaluated among them, and noisy images."""
    root = tmp_path_factory.mktemp("cityscapes")
    rng = np.random.default_rng(0)
    unused = {row.id for row in ROWS if row.name in (*ABSENT, ONLY_PREDICTED)}
    present = [number for number in range(34) if number not in unused]
    for split in ("train", "val"):
        for number, size in enumerate(SIZES):
            ids = np.kron(rng.choice(present, (size[0] // 8, size[1] // 8)), np.ones((8, 8)))
            write(root, split, number, ids.astype(np.uint8), rng)
    return read_dataset(root)


def write(
    root: Path, split: str, number: int, ids: npt.NDArray[np.uint8], rng: np.random.Generator
) -> None:
    colour = {row.id: row.colour for row in ROWS}
    bus = next(row.colour for row in ROWS if row.name == ONLY_PREDICTED)
    table = np.array([colour.get(number, bus) for number in range(34)])
    image = np.clip(table[ids] + rng.normal(0, 60, (*ids.shape, 3)), 0, 255).astype(np.uint8)
    name = f"ulm_{number:06d}_000019"
    files = {
        root / "leftImg8bit" / split / "ulm" / f"{name}_leftImg8bit.png": image,
        root / "gtFine" / split / "ulm" / f"{name}_gtFine_labelIds.png": ids,
    }
    for path, pixels in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def model() -> ByColour:
    table = np.array([row.colour for row in ROWS], dtype=np.float32) / np.float32(255)
    table[[row.name in ABSENT for row in ROWS]] = 9
    return ByColour(table).eval()


@pytest.fixture(scope="module")
def published(
    scripts: ModuleType,
    dataset: Dataset,
    model: ByColour,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What cityscapesScripts says of the predictions, written as PNG files of label ids."""
    folder = tmp_path_factory.mktemp("predictions")
    examination = Examination(model, transform, len(ROWS))
    samples = dataset.splits["val"]
    paths = [str(folder / f"{sample.name.replace('/', '-')}.png") for sample in samples]
    for sample, path in zip(samples, paths, strict=True):
        (classes,) = examination.predict(transform(read_image(sample.image))[None])
        Image.fromarray(IDS[classes.to(torch.int64)]).save(path)
    masks = [str(sample.mask) for sample in samples]
    result: dict[str, Any] = scripts.evaluateImgLists(paths, masks, scripts.args)
    return result


@pytest.fixture(scope="module")
def ours(dataset: Dataset, model: ByColour) -> Evaluation:
    samples = dataset.splits["val"]
    counts = evaluate(model, transform, samples, len(ROWS))
    return make_evaluation(
        "Cityscapes", "val", len(samples), (1.0,), False, dataset.classes, counts
    )


def test_the_confusion_matrix_is_that_of_cityscapes_scripts(
    ours: Evaluation, published: dict[str, Any]
) -> None:
    theirs = np.array(published["confMatrix"], dtype=np.int64)
    np.testing.assert_array_equal(ours.counts, theirs[np.ix_(IDS, IDS)])
    assert ours.counts.sum() < theirs.sum()


def test_class_iou_and_mean_are_those_of_cityscapes_scripts(
    ours: Evaluation, published: dict[str, Any]
) -> None:
    theirs = published["classScores"]
    for name, iou in ours.class_iou.items():
        if iou is None:
            assert np.isnan(theirs[name])
        else:
            assert iou == pytest.approx(theirs[name], abs=1e-6)
    assert ours.miou == pytest.approx(published["averageScoreClasses"], abs=1e-6)
    assert 0.1 < ours.miou < 0.9


def test_absent_and_only_predicted_classes_are_told_apart(ours: Evaluation) -> None:
    found = ours.class_iou
    assert [name for name, iou in found.items() if iou is None] == list(ABSENT)
    assert found[ONLY_PREDICTED] == 0


def test_pixel_accuracy_leaves_unevaluated_labels_out(
    ours: Evaluation, published: dict[str, Any]
) -> None:
    rows = np.array(published["confMatrix"], dtype=np.int64)[IDS]
    expected = sum(int(rows[k, IDS[k]]) for k in range(len(IDS))) / rows.sum()
    assert ours.pixel_accuracy == pytest.approx(expected, abs=1e-6)
