"""Evaluating a model's folder on a data set: everything is checked, then everything counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from atrous.core.console import command, track
from atrous.core.errors import AtrousError, within_memory
from atrous.core.files import writing
from atrous.core.records import to_json
from atrous.core.requests import EvaluationRequest as EvaluationRequest
from atrous.core.words import some
from atrous.data.check import require_sound
from atrous.data.dataset import Dataset, Samples, fingerprint
from atrous.data.layouts import read_layout
from atrous.model.evaluation.record import Evaluation, packed, require_scales
from atrous.model.evaluation.tally import Tally
from atrous.model.folder import with_model
from atrous.model.model import Model, load_model
from atrous.networks.compute import pick_device
from atrous.networks.weights import digest
from atrous.tasks.segmentation.evaluate import PLAIN, Counts, Examination, summarise
from atrous.tasks.segmentation.probabilities import evaluating

TALLY = "counts.json"
"""Kept in the output folder until an evaluation is complete."""


@dataclass(frozen=True)
class Assessment:
    """A request that can be carried out; `tally` holds its progress, results go to `out`."""

    request: EvaluationRequest
    model: Model
    dataset: Dataset
    samples: Samples
    examination: Examination
    out: Path
    tally: Tally

    @property
    def evaluation(self) -> Evaluation:
        """The record of what is counted so far."""
        asked, dataset, tally = self.request, self.dataset, self.tally
        method = asked.scales, asked.flip
        found = make_evaluation(
            name_of(dataset), asked.split, tally.done, *method, dataset.classes, tally.counts
        )
        return replace(found, by_image=packed(tally.shares))


def prepare(request: EvaluationRequest) -> Assessment:
    """Checks a request for all that can be wrong before anything expensive begins.

    If an evaluation of the same model on the same data was stopped, it is gone on with.
    Raises AtrousError.
    """
    require_scales(request.scales)
    request = replace(request, model=with_model(request.model))
    device = pick_device(request.device)
    dataset, samples = labelled_split(request.data, request.split)
    model = load_model(request.model)
    require_same_classes(model.blueprint.classes, dataset)
    require_sound(replace(dataset, splits={request.split: samples}))
    out = request.out or request.model / "evaluations" / _folder_name(request, dataset)
    _require_writable(request.model, "copy the model to a folder that can be written")
    _require_writable(out, "name a folder that can be written with --out")
    classes = len(dataset.classes)
    examination = Examination(
        model.network, model.transform, classes, request.scales, request.flip, device
    )
    tally = Tally(out / TALLY, _key(request, model, samples, device), classes)
    return Assessment(request, model, dataset, samples, examination, out, tally)


def count_rest(assessment: Assessment) -> Evaluation:
    """Counts what is still to be counted; if stopped, what is done is kept in the folder.

    Raises AtrousError for files that cannot be used.
    """
    examination, tally = assessment.examination, assessment.tally
    rest = assessment.samples[tally.done :]
    label = f"evaluating, {tally.done} images done before" if tally.done else "evaluating"
    examination.network.to(examination.device)
    images = "an image" if examination.plain else "an image at its largest scale"
    where = f"on {examination.device} to look at {images} as a whole"
    mend = "Evaluate with smaller --scales, with another --device, or on a machine with more."
    with within_memory(where, mend), evaluating(examination.network), tally.keeping():
        for one in track(examination.counted(rest), label, len(rest)):
            tally.add(one)
    return assessment.evaluation


def make_evaluation(
    data: str,
    split: str,
    images: int,
    scales: tuple[float, ...],
    flip: bool,
    classes: Sequence[str],
    counts: Counts,
) -> Evaluation:
    """Returns the record of pixel counts [K, K], label by prediction, with their scores."""
    scores = vars(summarise(counts))
    shares = dict(zip(classes, scores.pop("class_iou"), strict=True))
    confusion = tuple(map(tuple, counts.tolist()))
    return Evaluation(
        data, split, images, scales, flip, **scores, class_iou=shares, confusion=confusion
    )


def name_of(dataset: Dataset) -> str:
    """Names a data set by its layout if it is a published one, else by its folder."""
    return dataset.layout if dataset.published else dataset.root.resolve().name


def _key(request: EvaluationRequest, model: Model, samples: Samples, device: str) -> dict[str, Any]:
    """Returns all that the counts depend on."""
    # Devices round differently, and GPUs take images together.
    return {
        "blueprint": to_json(model.blueprint),
        "weights": digest(model.network),
        "data": fingerprint(samples),
        "images": len(samples),
        "scales": list(request.scales),
        "flip": request.flip,
        "device": device.partition(":")[0],
    }


def _folder_name(request: EvaluationRequest, dataset: Dataset) -> str:
    scales = () if request.scales == PLAIN else (f"{scale:g}" for scale in request.scales)
    parts = (name_of(dataset), request.split, *scales, *(("flip",) if request.flip else ()))
    return "-".join(parts).replace(" ", "-").lower()


def _require_writable(folder: Path, mend: str) -> None:
    trial = folder / f"{TALLY}.partial"
    with writing(f"the evaluation to {folder}", f"To mend: {mend}."):
        folder.mkdir(parents=True, exist_ok=True)
        trial.touch()
        trial.unlink()


SHOWN = 8
"""So many class names are listed in a message."""


def labelled_split(root: Path, split: str) -> tuple[Dataset, Samples]:
    """Reads the data set in a folder, and picks the samples of one split.

    Raises AtrousError for a folder that is no data set, and for a split that there is not, or that
    has no labels.
    """
    reading = read_layout(root)
    dataset = reading.dataset
    samples = dataset.splits.get(split, ())
    if samples:
        return dataset, samples
    usable = ", ".join(f"--split {name}" for name, found in dataset.splits.items() if found)
    mend = f"To mend: {usable}." if usable else "To mend: see `atrous check`."
    if unlabelled := dataset.unlabelled.get(split):
        raise AtrousError(
            f"The {len(unlabelled)} images of {root}'s {split} split have no labels, so nothing "
            f"can be counted on them. {mend}"
        )
    if split in dataset.splits:
        raise AtrousError(
            f"The {split} split of {root} has no image with a mask. {mend} See what is "
            f"missing: {command('check', root)}"
        )
    raise AtrousError(f"{root} has no split {split!r}; it has {', '.join(dataset.splits)}. {mend}")


def require_same_classes(classes: Sequence[str], dataset: Dataset) -> None:
    """Raises AtrousError, naming the differences, unless the data set has the model's classes, in
    the model's order."""
    if tuple(classes) == dataset.classes:
        return
    begin = f"{dataset.root} does not have the classes of the model"
    missing = [name for name in classes if name not in dataset.classes]
    unknown = [name for name in dataset.classes if name not in classes]
    if missing or unknown:
        lists = [
            f"{len(names)} only {where}: {some(names, SHOWN)}"
            for where, names in (("in the model", missing), ("in the data", unknown))
            if names
        ]
        raise AtrousError(
            f"{begin} ({len(classes)} in the model, {len(dataset.classes)} in the data): "
            f"{'; '.join(lists)}. To mend: name the data set that the model was made for, give "
            "the data the model's classes, or train a model on this data."
        )
    pairs = enumerate(zip(classes, dataset.classes, strict=True))
    moved = [
        f"{k} is {ours} in the model, {theirs} in the data"
        for k, (ours, theirs) in pairs
        if ours != theirs
    ]
    raise AtrousError(
        f"{begin} in its order: class {some(moved, SHOWN, '; ')}. A mask's values would be taken "
        "for other classes. To mend: renumber the masks, and put the names in the model's order: "
        f"{', '.join(classes)}."
    )
