"""From a job to a trained model in a folder."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from atrous.core import records
from atrous.core.console import command, track, untracked
from atrous.core.errors import AtrousError, within_memory
from atrous.core.files import hold, locate, make_folder, require_place
from atrous.core.records import to_json
from atrous.core.trial import Metrics
from atrous.data.dataset import (
    DataFingerprint,
    Dataset,
    Progress,
    Samples,
    fingerprint_sides,
    select,
)
from atrous.data.layouts import read_dataset
from atrous.data.transform import Transform
from atrous.model.folder import RECORD
from atrous.model.model import Model, save_model
from atrous.networks.compute import Compute, pick_device
from atrous.networks.network import initialise
from atrous.spaces.blueprint import Blueprint, blank_network, build_network, network_cost
from atrous.tasks import find_task
from atrous.training.config import Protocol
from atrous.training.crops import crops_of, require_step, share_of
from atrous.training.loop import BEST, CHECKPOINT, Selection, Watch, ignore, load_best, train
from atrous.training.optimiser import NonFiniteError
from atrous.training.state import TrainingState
from atrous.training.world import World, announced, joined


def run(
    folder: Path,
    job: TrainingJob,
    watch: Watch = ignore,
    progress: Progress = track,
) -> Path:
    """Trains what is left of a job and writes the model; gives the model's folder.

    Under `torchrun`, all processes call it with the same job. Raises `AtrousError`.
    """
    if locate(folder / MODEL, RECORD).exists():
        return folder / MODEL
    share_of(job.protocol, announced(pick_device(job.compute.device)))
    with joined(job.compute.device) as world, held(folder) if world.leads else nullcontext():
        return _run(folder, job, world, watch, progress)


def _run(
    folder: Path,
    job: TrainingJob,
    world: World,
    watch: Watch,
    progress: Progress,
) -> Path:
    progress = progress if world.leads else untracked
    require_there(folder, job)
    require_step(blank_network(job.blueprint), job.protocol, world)
    dataset, training, selection = job.samples()
    compute = replace(job.compute, device=world.device)
    begins = not (folder / CHECKPOINT).exists()
    network = build_network(job.blueprint, job.weights if begins else "none", job.protocol.seed)
    if begins:
        torch.manual_seed(job.protocol.seed)
        initialise(network, job.protocol.init)
    transform = Transform(network.backbone.mean, network.backbone.std)
    task = find_task(job.blueprint.task)
    crops = crops_of(training, job.protocol, network.backbone.mean, task)
    score = Selection(selection, len(dataset.classes), transform, world, task=task)
    mend = "Lower --batch or --crop, or raise --accumulate."
    try:
        with within_memory(f"on {job.compute.device}", mend):
            torch.set_num_threads(max(1, compute.threads // world.local_size))
            state = TrainingState(network, job.protocol, compute, world, task)
            metrics = train(state, crops, score, folder, progress, watch, job.tensorboard)
    except NonFiniteError as error:
        raise AtrousError(
            f"Training diverged: {error}. Begin anew with a lower --rate; what was best before is "
            f"in {folder}."
        ) from error
    if world.leads:
        _write(folder, job, metrics, len(training))
    world.wait()
    return folder / MODEL


def _write(folder: Path, job: TrainingJob, metrics: Metrics, images: int) -> None:
    """Writes the model of the best weights."""
    network = build_network(job.blueprint)
    load_best(network, folder)
    record = training_record(job, metrics, images)
    save_model(Model(network, job.blueprint, record), folder / MODEL)
    for name in (CHECKPOINT, BEST):
        (folder / name).unlink(missing_ok=True)


def training_record(job: TrainingJob, metrics: Metrics, images: int) -> dict[str, object]:
    """How a model was trained, in JSON's types."""
    cost = network_cost(job.blueprint, job.protocol.crop)
    task = find_task(job.blueprint.task)
    return {
        "name": job.name,
        "data": Path(job.data).name,
        "data_licence": job.licence,
        "training_fingerprint": job.fingerprint.training,
        "selection_fingerprint": job.fingerprint.selection,
        "select_on": job.select_on,
        "images": images,
        **to_json(job.protocol),
        **({"backbone_weights": Path(job.weights).name} if job.blueprint.backbone else {}),
        task.selected_by: metrics[task.value],
        "parameters": cost.parameters,
        "multiply_adds": cost.multiply_adds,
        "device": job.compute.device,
    }


ABOUT, MODEL, LOCK = "training.json", "model", "training.lock"
FORMAT = 3


@dataclass(frozen=True)
class TrainingJob:
    """`name` is what the architecture was called, `licence` that of the data, as the user states
    it; `weights` those of the backbone. `fingerprint` is that of training and selection images."""

    name: str
    data: str
    select_on: str
    licence: str
    blueprint: Blueprint
    weights: str
    protocol: Protocol
    compute: Compute
    tensorboard: bool
    fingerprint: DataFingerprint

    def samples(self) -> tuple[Dataset, Samples, Samples]:
        """The data set, and the samples to train and to select on.

        Raises AtrousError if they are not those that the run began with.
        """
        dataset = read_dataset(Path(self.data))
        training, selection = select(dataset, self.select_on)
        found = fingerprint_sides(training, selection)
        sides = self.fingerprint.changes(found, self.select_on)
        classes = self.blueprint.classes
        if not sides and classes != dataset.classes:
            sides = f"class names (they were {', '.join(classes)})"
        if sides:
            raise AtrousError(
                f"The {sides} of {self.data} have changed since this training began. Put them "
                "back, or begin anew with another --out."
            )
        return dataset, training, selection


def require_none(folder: Path) -> None:
    """Raises `AtrousError` if there is a training run in the folder, or none can be begun there."""
    require_place(folder, "a training run")
    if (folder / ABOUT).exists():
        raise AtrousError(
            f"There is a training run in {folder} already. Go on with it: "
            f"{command('train', '--resume', folder)}; or name another folder with --out."
        )


def create(folder: Path, job: TrainingJob) -> None:
    """Writes the job; raises `AtrousError` if another is there or the folder cannot be written."""
    require_none(folder)
    make_folder(folder, "a training run")
    with held(folder):
        require_none(folder)
        records.write(folder / ABOUT, job, FORMAT, "a training run", sealed=False)


def read(folder: Path) -> TrainingJob:
    """Returns the job of a folder; raises `AtrousError` if there is none or it is damaged."""
    absent = (
        f"Expected a training run at {folder}: a folder with {ABOUT}, as atrous train makes it. "
        "There is no such file."
    )
    mend = "Restore the file from a copy, or begin anew with another --out."
    job = records.read(folder / ABOUT, TrainingJob, FORMAT, "a training run", absent, mend)
    weights, classes = len(job.protocol.class_weights), len(job.blueprint.classes)
    try:
        blank_network(job.blueprint)
        if weights not in (0, classes):
            raise AtrousError(f"protocol.class_weights are {weights} for {classes} classes.")
    except (AtrousError, RuntimeError, ValueError, ArithmeticError) as error:
        raise AtrousError(
            f"Expected a training run in {folder / ABOUT}, but no network can be built of "
            f"its blueprint: {error} {mend}"
        ) from error
    return job


def require_there(folder: Path, job: TrainingJob) -> None:
    """Raises `AtrousError` if the data set of a training is not where it was."""
    if not Path(job.data).exists():
        raise AtrousError(
            f"The data set of the training in {folder} was in {job.data}, where nothing is now. "
            f"Put it back, or say where it is: {command('train', '--resume', folder, '--data')} ..."
        )


def moved(folder: Path, job: TrainingJob, data: str) -> TrainingJob:
    """Returns the job of a folder with its data set in another place from now on.

    Raises `AtrousError` unless the images and masks there are those that it began with.
    """
    there = replace(job, data=str(Path(data).resolve()))
    there.samples()
    with held(folder):
        records.write(folder / ABOUT, there, FORMAT, "a training run", sealed=False)
    return there


def held(folder: Path) -> AbstractContextManager[None]:
    """Holds the folder for one process; raises `AtrousError` if another trains in it."""
    return hold(folder / LOCK, f"Another process is training in {folder}. Wait for it.")
