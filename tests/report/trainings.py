"""Trained networks with made-up numbers in the folder of a run, as its stages write them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from atrous.core.records import to_json
from atrous.data.pixels import Pixels
from atrous.model.evaluation.assessment import make_evaluation
from atrous.model.evaluation.record import Evaluation
from atrous.model.evaluation.sheets import EvaluatedImage, Key, write_sheet
from tests.report.runs import CLASSES

COLOURS = (
    (128, 64, 128),
    (70, 70, 70),
    (70, 130, 180),
    (107, 142, 35),
    (220, 20, 60),
    (119, 11, 32),
)
CROP = [361, 481]
STEPS = 200


def write_trained(
    run: Path, name: str, architecture: str, quality: float, rows: int = 0, **record: Any
) -> Path:
    """A training run with its model, evaluated on val and test, timed and exported.

    Each sheet of pictures has `rows`; there is none without. `record` replaces fields of the
    model's training record.
    """
    folder = run / "trained" / name
    model = folder / "model"
    model.mkdir(parents=True)
    blueprint = {
        "architecture": architecture,
        "backbone": "tf_efficientnet_lite0",
        "output_stride": 16,
        "filters": 64,
        "decoder": False,
        "classes": CLASSES,
        "colours": COLOURS,
    }
    training = {
        "name": "the name it was given",
        "data": "my street",
        "training_fingerprint": "3f9ac1d27be0",
        "selection_fingerprint": "41c06b7ae9d2",
        "select_on": "val",
        "images": 294,
        "steps": STEPS,
        "batch": 8,
        "crop": CROP,
        "seed": 3,
        "selection_miou": quality,
        "parameters": 3_486_000 + round(1e5 * quality),
        "multiply_adds": 1_910_000_000,
        "device": "cpu",
        **record,
    }
    _write(folder / "training.json", {"format": 1, "name": name, "blueprint": blueprint})
    _write(model / "model.json", {"blueprint": blueprint, "training": training})
    write_log(folder, quality)
    records = [evaluation(split, quality) for split in ("val", "test")]
    _write(model / "evaluation.json", [to_json(record) for record in records])
    for each in records if rows else ():
        write_pictures(folder / "evaluation" / each.split, each, quality, rows)
    _write(folder / "latency.json", [latency("pytorch", 41.5), latency("onnxruntime", 23.42)])
    comparisons = [
        {"batch": b, "size": [129, 193], "difference": d} for b, d in ((1, 2e-6), (2, 1e-6))
    ]
    exported = {
        "path": str(folder / "model.onnx"),
        "format": "onnx",
        "size": 13_900_000,
        "metadata": {},
        "comparisons": comparisons,
        "tolerance": 1e-4,
    }
    _write(folder / "export.json", exported)
    return folder


def write_log(folder: Path, quality: float) -> None:
    """Ten scores that rise towards `quality`."""
    rng = Random(folder.name)
    lines = [
        {
            "step": step,
            "loss": 1.8 * 0.99**step,
            "miou": quality * (1 - 0.98**step) + rng.gauss(0, 0.01),
        }
        for step in range(STEPS // 10, STEPS + 1, STEPS // 10)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def evaluation(split: str, quality: float) -> Evaluation:
    """Counts with an mIoU of about `quality`; the last class is absent."""
    classes = len(CLASSES)
    rng = np.random.default_rng(round(1e6 * quality) + len(split))
    right = rng.uniform(0.8, 1.25, classes) * 8 * 20 * quality / (1 - quality)
    counts = rng.integers(0, 40, (classes, classes))
    np.fill_diagonal(counts, right)
    counts[-1] = counts[:, -1] = 0
    return make_evaluation("my street", split, 73, (1.0,), False, CLASSES, counts)


def latency(runtime: str, median: float) -> dict[str, Any]:
    """A latency record."""
    return {
        "runtime": runtime,
        "version": "1.31.0",
        "size": CROP,
        "batch": 1,
        "device": "cpu",
        "device_name": "a processor",
        "threads": 2,
        "precision": "float32",
        "warm_up": 12,
        "median_ms": median,
        "quartiles_ms": [median - 1, median + 1],
        "range_ms": [median - 2, median + 2],
        "milliseconds": [median],
    }


def write_pictures(folder: Path, record: Evaluation, quality: float, rows: int) -> None:
    """A sheet as an evaluation writes it, with its record beside."""
    folder.mkdir(parents=True)
    _write(folder / "evaluation.json", to_json(record))
    pictures = (_picture(number, quality) for number in range(rows))
    write_sheet(folder / "pictures-1.png", pictures, Key(CLASSES, COLOURS))


def write_plan(run: Path) -> None:
    """The split of ten minutes."""
    stages = [
        {"name": "search", "seconds": 210, "why": "about 40 candidates of 5.2 s"},
        {"name": "re-rank", "seconds": 120, "why": "8 candidates and the baselines, 60 steps each"},
        {"name": "train", "seconds": 210, "why": "2 networks, 200 steps each"},
        {"name": "rest", "seconds": 60, "why": "scores, pictures, export, report"},
    ]
    plan = {"format": 1, "budget": 600, "stages": stages, "told": "A trial took 5.2 s here."}
    _write(run / "plan.json", plan)


def _picture(number: int, quality: float) -> EvaluatedImage:
    """Sky, houses and a road, and a prediction in which blocks are wrong."""
    rng = np.random.default_rng(number)
    label = _scene(rng)
    wrong = np.kron(rng.random((9, 12)) > quality + 0.1, np.ones((20, 20))).astype(bool)
    guess = np.kron(rng.integers(0, 5, (9, 12)), np.ones((20, 20))).astype(np.uint8)
    prediction = np.where(wrong, guess, label).astype(np.uint8)
    colours = np.array(COLOURS, np.int64)[np.minimum(label, 5)]
    noise = rng.integers(-25, 25, (*label.shape, 1)) + rng.integers(-9, 9, (*label.shape, 3))
    image = np.clip(colours + noise, 0, 255).astype(np.uint8)
    return EvaluatedImage(f"frame-{number:03}   mIoU {40 + 9 * number}.0", image, label, prediction)


def _scene(rng: np.random.Generator) -> Pixels:
    label = np.full((180, 240), 2, np.uint8)
    label[int(rng.integers(95, 125)) :] = 0
    for left in range(0, 240, 40):
        top = int(rng.integers(20, 90))
        label[top:110, left : left + int(rng.integers(20, 40))] = rng.choice([1, 3])
    label[100:150, 60:75] = 4
    label[172:] = 255
    return label


def _write(path: Path, content: dict[str, Any] | Sequence[Any]) -> None:
    path.write_text(json.dumps(content))
