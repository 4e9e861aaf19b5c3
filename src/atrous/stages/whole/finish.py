"""The proof of a trained model: scores, an exported file, latency. What is there is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from atrous.core.errors import AtrousError
from atrous.core.records import write_plain
from atrous.model.evaluation.assessment import TALLY, EvaluationRequest, count_rest, prepare
from atrous.model.evaluation.publication import publish
from atrous.model.export import onnx_file
from atrous.model.export.exported import export_model
from atrous.model.facts import crop_of
from atrous.model.folder import RECORD
from atrous.model.latency.conditions import make_conditions
from atrous.model.latency.measure import compare_latency
from atrous.model.model import load_model
from atrous.report.trained import TOOK, Took, read_took
from atrous.stages.train.trainer import MODEL

EVALUATION, EXPORT, LATENCY = "evaluation", "export.json", "latency.json"
SCORED = "evaluation.json"


@contextmanager
def taking(out: Path, stage: str) -> Iterator[None]:
    """Adds the seconds of the block to those that a stage has taken, also where it is stopped."""
    begun = monotonic()
    try:
        yield
    finally:
        took = read_took(out)
        took[stage] = took.get(stage, 0.0) + monotonic() - begun
        write_plain(out / TOOK, Took(took), "the seconds of each stage")


def evaluated(folder: Path, data: Path, split: str, device: str) -> None:
    """Scores the model of a training run on a split, at a single scale. Raises `AtrousError`.

    The scores are written before the pictures; the counts go when everything is there.
    """
    out = folder / EVALUATION / split
    if (out / SCORED).exists() and not (out / TALLY).exists():
        return
    assessment = prepare(EvaluationRequest(folder / MODEL, data, split, device=device, out=out))
    count_rest(assessment)
    publish(assessment)


def exported(folder: Path) -> None:
    """Writes the model as ONNX, or as pt2 where the packages for ONNX are not installed.

    Raises `AtrousError`.
    """
    if (folder / EXPORT).exists():
        return
    form = "onnx" if _has_onnx() else "pt2"
    written = export_model(load_model(folder / MODEL), folder / f"model.{form}", form)
    write_plain(folder / EXPORT, written, "what was exported")


def timed(folder: Path, device: str) -> None:
    """Times the model on images of its training crop, in every runtime that is installed.

    Raises `AtrousError`.
    """
    if (folder / LATENCY).exists():
        return
    model = load_model(folder / MODEL)
    crop = crop_of(model.training_record)
    if crop is None:
        raise AtrousError(
            f"Expected the crop that a network was trained on in {folder / MODEL / RECORD}, but "
            "training.crop is not there. Restore the file from a copy, or train again."
        )
    conditions = make_conditions(crop, device=device)
    runtimes = ["pytorch", *(["onnxruntime"] if device == "cpu" and _has_onnx() else [])]
    found = compare_latency(model.network, conditions, runtimes)
    write_plain(folder / LATENCY, tuple(found), "latencies")


def _has_onnx() -> bool:
    try:
        onnx_file.require()
    except AtrousError:
        return False
    return True
