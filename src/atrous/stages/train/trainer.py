"""From a job to a trained model in a folder."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch

from atrous.core.console import track, untracked
from atrous.core.errors import AtrousError
from atrous.core.files import locate
from atrous.core.records import to_json
from atrous.core.trial import Metrics
from atrous.data.dataset import Progress
from atrous.data.transform import Transform
from atrous.estimation.end_to_end import WarmStart
from atrous.model.folder import RECORD
from atrous.model.model import Model, save_model
from atrous.networks.compute import pick_device
from atrous.spaces.blueprint import build_network, network_cost
from atrous.stages.train.job import MODEL, TrainingJob, held
from atrous.training.crops import crops_of, share_of
from atrous.training.loop import BEST, CHECKPOINT, Selection, Watch, ignore, load_best, train
from atrous.training.optimiser import NonFiniteError
from atrous.training.state import TrainingState
from atrous.training.world import World, announced, joined


def run(
    folder: Path,
    job: TrainingJob,
    watch: Watch = ignore,
    progress: Progress = track,
    start: WarmStart | None = None,
) -> Path:
    """Trains what is left of a job and writes the model; gives the model's folder.

    Without a `start`, the cell begins with random weights.

    Under `torchrun`, all processes call it with the same job. Raises `AtrousError`.
    """
    if locate(folder / MODEL, RECORD).exists():
        return folder / MODEL
    share_of(job.protocol, announced(pick_device(job.compute.device)))
    with joined(job.compute.device) as world, held(folder) if world.leads else nullcontext():
        return _run(folder, job, world, watch, progress, start)


def _run(
    folder: Path,
    job: TrainingJob,
    world: World,
    watch: Watch,
    progress: Progress,
    start: WarmStart | None,
) -> Path:
    progress = progress if world.leads else untracked
    dataset, training, selection = job.samples()
    compute = replace(job.compute, device=world.device)
    begins = not (folder / CHECKPOINT).exists()
    network = build_network(job.blueprint, job.weights if begins else "none", job.protocol.seed)
    transform = Transform(network.backbone.mean, network.backbone.std)
    crops = crops_of(training, job.protocol, network.backbone.mean)
    score = Selection(selection, len(dataset.classes), transform, world)
    try:
        if start and begins:
            start(network, job.blueprint.architecture, job.protocol.seed)
        torch.set_num_threads(max(1, compute.threads // world.local_size))
        state = TrainingState(network, job.protocol, compute, world)
        metrics = train(state, crops, score, folder, progress, watch, job.tensorboard)
    except NonFiniteError as error:
        raise AtrousError(
            f"Training diverged: {error}. Begin anew with a lower --rate; what was best before is "
            f"in {folder}."
        ) from error
    except torch.OutOfMemoryError as error:
        raise AtrousError(
            f"Not enough memory on {job.compute.device} ({str(error).splitlines()[0]}). Lower "
            "--batch or --crop, or raise --accumulate."
        ) from error
    if world.leads:
        _write(folder, job, metrics, len(training), start is not None)
    world.wait()
    return folder / MODEL


def _write(folder: Path, job: TrainingJob, metrics: Metrics, images: int, warm: bool) -> None:
    """Writes the model of the best weights."""
    network = build_network(job.blueprint)
    load_best(network, folder)
    record = {**training_record(job, metrics, images), "warm_start": warm}
    save_model(Model(network, job.blueprint, record), folder / MODEL)
    for name in (CHECKPOINT, BEST):
        (folder / name).unlink(missing_ok=True)


def training_record(job: TrainingJob, metrics: Metrics, images: int) -> dict[str, object]:
    """How a model was trained, in JSON's types."""
    cost = network_cost(job.blueprint, job.protocol.crop)
    return {
        "name": job.name,
        "data": Path(job.data).name,
        "data_licence": job.licence,
        "data_fingerprint": job.fingerprint,
        "select_on": job.select_on,
        "images": images,
        **to_json(job.protocol),
        **({"backbone_weights": Path(job.weights).name} if job.blueprint.backbone else {}),
        "selection_miou": metrics.miou,
        "parameters": cost.parameters,
        "multiply_adds": cost.multiply_adds,
        "device": job.compute.device,
    }
