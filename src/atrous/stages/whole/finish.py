"""The proof of a trained model: scores, an exported file, latency. What is there is left alone."""

from __future__ import annotations

import json
from pathlib import Path

from atrous.core.errors import AtrousError
from atrous.core.files import write_whole
from atrous.core.records import to_json
from atrous.model.evaluation.assessment import TALLY, EvaluationRequest, count, prepare
from atrous.model.evaluation.publication import publish
from atrous.model.export import onnx_file
from atrous.model.export.exported import export_model
from atrous.model.latency.conditions import make_conditions
from atrous.model.latency.measure import compare_latency
from atrous.model.model import load_model
from atrous.stages.train.trainer import MODEL

EVALUATION, EXPORT, LATENCY = "evaluation", "export.json", "latency.json"
SCORED = "evaluation.json"


def evaluated(folder: Path, data: Path, split: str, device: str) -> None:
    """Scores the model of a training run on a split, at a single scale. Raises `AtrousError`.

    The scores are written before the pictures; the counts go when everything is there.
    """
    out = folder / EVALUATION / split
    if (out / SCORED).exists() and not (out / TALLY).exists():
        return
    assessment = prepare(EvaluationRequest(folder / MODEL, data, split, device=device, out=out))
    count(assessment)
    publish(assessment)


def exported(folder: Path) -> None:
    """Writes the model as ONNX, or as pt2 where the packages for ONNX are not installed.

    Raises `AtrousError`.
    """
    if (folder / EXPORT).exists():
        return
    form = "onnx" if _has_onnx() else "pt2"
    written = export_model(load_model(folder / MODEL), folder / f"model.{form}", form)
    _keep(folder / EXPORT, to_json(written))


def timed(folder: Path, device: str) -> None:
    """Times the model on images of its training crop, in every runtime that is installed.

    Raises `AtrousError`.
    """
    if (folder / LATENCY).exists():
        return
    model = load_model(folder / MODEL)
    height, width = model.training_record["crop"]
    conditions = make_conditions((height, width), device=device)
    runtimes = ["pytorch", *(["onnxruntime"] if device == "cpu" and _has_onnx() else [])]
    found = compare_latency(model.network, conditions, runtimes)
    _keep(folder / LATENCY, to_json(found))


def _keep(path: Path, record: object) -> None:
    try:
        write_whole(path, json.dumps(record, indent=2))
    except OSError as error:
        raise AtrousError(
            f"Expected to write {path}, but {error}. Make room on the disk, or allow writing."
        ) from error


def _has_onnx() -> bool:
    try:
        onnx_file.require()
    except AtrousError:
        return False
    return True
