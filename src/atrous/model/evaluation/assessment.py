"""A model folder and the data it is assessed on: everything is checked, then everything counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atrous.core.console import track
from atrous.core.errors import AtrousError
from atrous.data.dataset import Dataset, Samples, fingerprint
from atrous.model.evaluation.agreement import labelled_split, require_same_classes
from atrous.model.evaluation.record import Evaluation
from atrous.model.evaluation.scales import require_scales
from atrous.model.evaluation.tally import Tally
from atrous.model.folder import load_model
from atrous.model.model import Model
from atrous.networks.compute import pick_device
from atrous.networks.weights import digest
from atrous.tasks.segmentation.evaluate import PLAIN, Examination
from atrous.tasks.segmentation.probabilities import evaluating

TALLY = "counts.json"
"""Kept in the output folder until an evaluation is complete."""


@dataclass(frozen=True)
class Request:
    """What is asked for. `pictures` is how many images are shown; `out` None stands for a folder
    in the model's own, named after the data, the split and the scales."""

    model: Path
    data: Path
    split: str = "val"
    scales: tuple[float, ...] = PLAIN
    flip: bool = False
    device: str = "auto"
    out: Path | None = None
    pictures: int = 8


@dataclass(frozen=True)
class Assessment:
    """A request that can be carried out, and in `tally` how far it is. Results go to `out`."""

    request: Request
    model: Model
    dataset: Dataset
    samples: Samples
    examination: Examination
    out: Path
    tally: Tally

    @property
    def evaluation(self) -> Evaluation:
        """The record of what is counted so far."""
        return Evaluation(
            data=name_of(self.dataset),
            split=self.request.split,
            images=self.tally.done,
            scales=self.request.scales,
            flip=self.request.flip,
            classes=self.dataset.classes,
            counts=self.tally.counts,
        )


def prepare(request: Request) -> Assessment:
    """Finds everything that can be wrong before anything expensive begins.

    If an evaluation of the same model on the same data was stopped, it is gone on with.
    Raises AtrousError.
    """
    require_scales(request.scales)
    device = pick_device(request.device)
    dataset, samples = labelled_split(request.data, request.split)
    model = load_model(request.model)
    require_same_classes(model.blueprint.classes, dataset)
    out = request.out or request.model / "evaluations" / _folder_name(request, dataset)
    _require_writable(request.model, "copy the model to a folder that can be written")
    _require_writable(out, "name a folder that can be written with --out")
    classes = len(dataset.classes)
    examination = Examination(
        model.network, model.transform, classes, request.scales, request.flip, device
    )
    tally = Tally(out / TALLY, _key(request, model, samples, device), classes)
    return Assessment(request, model, dataset, samples, examination, out, tally)


def count(assessment: Assessment) -> Evaluation:
    """Counts what is still to be counted; if stopped, what is done is kept in the folder.

    Raises AtrousError for files that cannot be used.
    """
    examination, tally = assessment.examination, assessment.tally
    rest = assessment.samples[tally.done :]
    label = f"evaluating, {tally.done} images done before" if tally.done else "evaluating"
    examination.network.to(examination.device)
    with evaluating(examination.network), tally.keeping():
        for one in track(examination.counted(rest), label, len(rest)):
            tally.add(one)
    return assessment.evaluation


def name_of(dataset: Dataset) -> str:
    """What a data set is called: by its layout if it is a published one, else by its folder."""
    return dataset.layout if dataset.published else dataset.root.resolve().name


def _key(request: Request, model: Model, samples: Samples, device: str) -> dict[str, Any]:
    """All that the counts depend on. Devices round differently, and GPUs take images together."""
    return {
        "blueprint": model.blueprint.to_json(),
        "weights": digest(model.network),
        "data": fingerprint(samples),
        "images": len(samples),
        "scales": list(request.scales),
        "flip": request.flip,
        "device": device.partition(":")[0],
    }


def _folder_name(request: Request, dataset: Dataset) -> str:
    scales = () if request.scales == PLAIN else (f"{scale:g}" for scale in request.scales)
    parts = (name_of(dataset), request.split, *scales, *(("flip",) if request.flip else ()))
    return "-".join(parts).replace(" ", "-").lower()


def _require_writable(folder: Path, mend: str) -> None:
    trial = folder / f"{TALLY}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise AtrousError(
            f"Expected to write the evaluation to {folder}, but {error}. To mend: {mend}."
        ) from error
