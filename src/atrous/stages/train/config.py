"""From what a user asks of training to a job, every default filled in and everything checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from atrous.core.architecture import Architecture
from atrous.core.config import OF_A_BACKBONE, DataConfig, EncoderConfig, SearchConfig
from atrous.core.console import note, track
from atrous.core.errors import AtrousError, require_all
from atrous.core.options import replaced, require_in_range
from atrous.core.stage_config import TrainConfig
from atrous.core.trial import Trial
from atrous.data.canvas import Size, largest, require_crop
from atrous.data.check import require_sound
from atrous.data.dataset import (
    Dataset,
    Progress,
    Samples,
    fingerprint_sides,
    read_labels,
    select,
)
from atrous.data.layouts import read_dataset, require_folder
from atrous.estimation.end_to_end import usual_rate
from atrous.estimation.search_data import require_there
from atrous.networks.backbones import fitted_offsets, load_backbone
from atrous.networks.compute import Compute, cores, pick_device, whole_precision
from atrous.networks.layers import dilates_depthwise
from atrous.networks.weights import BUILTIN
from atrous.search.objective import goal_of
from atrous.search.run import Run, open_run, winner
from atrous.spaces import find_architecture, find_space, needs_backbone
from atrous.spaces.blueprint import Blueprint, blank_network, untrained_rates
from atrous.stages.train.trainer import TrainingJob
from atrous.tasks import find_task
from atrous.training.checkpoint import load_board
from atrous.training.config import derive_training_crop, protocol_of
from atrous.training.crops import require_step, share_of
from atrous.training.world import announced

NETWORK_FILTERS = 20
"""The F of an architecture with an encoder of its own: that of Auto-DeepLab-S."""
BASE = 1.02


@dataclass(frozen=True)
class Subject:
    """An architecture and how it is trained; `name` is what the user called it. One with an encoder
    of its own has no backbone, and the weights "none"."""

    name: str
    architecture: Architecture
    config: TrainConfig

    @property
    def canvas(self) -> int:
        """Crops have k * this + 1 pixels on each axis."""
        space = find_space(self.architecture.space)
        return space.coarsest(self.config.encoder.output_stride)

    def but(self, **values: object) -> Subject:
        """Returns the subject trained otherwise: values by the names of their options."""
        return replace(self, config=replaced(self.config, **values))

    def blueprint(self, dataset: Dataset) -> Blueprint:
        """Returns the network, for a data set's classes."""
        config = self.config
        return Blueprint(
            self.architecture,
            config.encoder.backbone,
            config.encoder.output_stride,
            config.filters,
            config.decoder,
            dataset.classes,
            dataset.colours,
            finest_stride=config.encoder.finest_stride,
            task=config.task,
        )


def subject_of(source: str, trial: int | None, told: dict[str, object]) -> Subject:
    """Returns the best of the run in the folder `source`, or its `trial`; else what `source` names.

    `told` is what the user says of its training, which goes before what the run had. Raises
    `AtrousError`.
    """
    if Path(source).is_dir():
        run = open_run(Path(source))
        chosen = _trial(run, trial)
        name = f"trial {chosen.number} of {run.path.resolve().name}"
        if "data" not in told:
            require_there(run)
        return _as_told(subject_in(run.config, name, chosen.architecture), told)
    if trial is not None:
        raise AtrousError(f"--trial names a trial of a run, but {source!r} is no folder of a run.")
    architecture = find_architecture(source)
    if "data" not in told:
        raise AtrousError(f"Expected --data, the folder of a data set to train {source} on.")
    return _as_told(usual_subject(source, architecture, DataConfig("")), told)


def usual_subject(name: str, architecture: Architecture, data: DataConfig) -> Subject:
    """Returns an architecture on a data set, with the usual backbone where it needs one."""
    if not needs_backbone(architecture):
        config = TrainConfig(data, EncoderConfig(), NETWORK_FILTERS)
    else:
        config = TrainConfig(data, EncoderConfig(BUILTIN, "auto", 16))
    return Subject(name, architecture, config)


def subject_in(search: SearchConfig, name: str, architecture: Architecture) -> Subject:
    """Returns an architecture on what a search is made on."""
    task = find_task(search.task)
    found = usual_subject(name, architecture, search.data).but(
        filters=search.proxy.filters,
        score=task.end_to_end(goal_of(search).score),
        task=task.name,
    )
    if not needs_backbone(architecture):
        return found
    return replace(found, config=replace(found.config, encoder=search.encoder))


def job_of(
    subject: Subject, sound: Callable[[Path, str], list[Size]] = require_sound
) -> TrainingJob:
    """Returns the job; raises `AtrousError` before anything expensive if it cannot be done."""
    config = subject.config
    device = pick_device(config.device)
    require_possible(subject)
    dataset = read_dataset(Path(config.data.path))
    training, selection = select(dataset, config.data.select_on)
    blueprint = subject.blueprint(dataset)
    precision, network = config.training.precision, blank_network(blueprint)
    if not precision or dilates_depthwise(network):
        precision = whole_precision(device, precision)
    encoder = config.encoder
    if blueprint.encoder:
        backbone = load_backbone(*encoder.chosen, config.seed)
        if encoder.alignment == "fitted":
            blueprint = replace(blueprint, offsets=fitted_offsets(backbone))
    sizes = sound(dataset.root, config.data.select_on)
    crop = config.training.crop or derive_training_crop(sizes, subject.canvas)
    protocol = protocol_of(config.training, crop, _rate(subject), precision, config.seed)
    protocol = replace(protocol, score=protocol.score or find_task(config.task).value)
    require_step(network, protocol, announced(device))
    told = untrained_rates(blueprint, crop, largest(sizes)) if sizes else None
    if told and announced(device).leads:
        note(told)
    if config.training.balance == "balanced":
        weights = balanced_weights(training, len(dataset.classes), track)
        protocol = replace(protocol, class_weights=weights)
    file = Path(encoder.weights)
    return TrainingJob(
        name=subject.name,
        data=str(Path(config.data.path).resolve()),
        select_on=config.data.select_on,
        licence=config.licence,
        blueprint=blueprint,
        weights=str(file.resolve()) if file.is_file() else encoder.weights,
        protocol=protocol,
        compute=Compute(device, precision, "channels_last", cores()),
        tensorboard=config.tensorboard,
        fingerprint=fingerprint_sides(training, selection),
    )


def balanced_weights(samples: Samples, classes: int, progress: Progress) -> tuple[float, ...]:
    """Weights that let rare classes count for more: 1 / ln(1.02 + share of the pixels), per class
    (Paszke et al. 2016, ENet, section 5.2), scaled to a mean of 1 over the labelled pixels, so that
    loss and gradients stay as large as without them."""
    counts = np.zeros(256, np.int64)
    for sample in progress(samples, "counting classes", len(samples)):
        counts += np.bincount(read_labels(sample).ravel(), minlength=256)
    shares = counts[:classes] / max(1, counts[:classes].sum())
    weights = 1 / np.log(BASE + shares)
    mean = (weights * shares).sum() or weights.mean()
    scaled: list[float] = (weights / mean).tolist()
    return tuple(scaled)


def _rate(subject: Subject) -> float:
    return usual_rate(gentle=False, scratch=not needs_backbone(subject.architecture))


def require_possible(subject: Subject) -> None:
    """Raises `AtrousError` with all that no training can have, before data is looked at."""
    config, whole = subject.config, not needs_backbone(subject.architecture)
    crop, data = config.training.crop, Path(config.data.path)
    require_all(
        partial(require_in_range, config, ("output_stride",) if whole else ()),
        partial(_require_shares, subject),
        lambda: find_task(config.task).objective(config.training.score, whole=True),
        str if whole else partial(_require_no_drops, subject),
        lambda: require_crop(crop, subject.canvas) if crop else None,
        load_board if config.tensorboard else str,
        partial(require_folder, data),
    )


def _require_shares(subject: Subject) -> None:
    """Raises `AtrousError` for batches that cannot be worked on in as many parts as asked."""
    config, device = subject.config, pick_device(subject.config.device)
    protocol = protocol_of(config.training, (1, 1), _rate(subject), "float32", config.seed)
    share_of(protocol, announced(device))


def _require_no_drops(subject: Subject) -> None:
    if share := subject.config.training.drop_path:
        raise AtrousError(
            f"--drop-path drops operations of the cells that a whole network repeats, and "
            f"{subject.name} is none: expected 0, got {share}. Leave it out."
        )


def _as_told(own: Subject, told: dict[str, object]) -> Subject:
    """Returns the subject with what the user says in the place of the rest.

    Raises `AtrousError` for what the architecture cannot have.
    """
    if not needs_backbone(own.architecture):
        _refuse_backbone(own.name, told)
    elif "backbone" in told and "weights" not in told:
        told = {**told, "weights": "auto"}
    return own.but(**told)


def _refuse_backbone(name: str, told: dict[str, object]) -> None:
    flags = {field: f"--{field.replace('_', '-')}" for field in OF_A_BACKBONE}
    refused = [flag for field, flag in flags.items() if field in told]
    if refused:
        raise AtrousError(
            f"{name} is a whole network, whose own encoder starts from random weights: expected "
            f"none of {', '.join(flags.values())}, got {', '.join(refused)}. What it has is "
            "--filters, its width."
        )


def _trial(run: Run, number: int | None) -> Trial:
    if number is None:
        return winner(run)
    trials = {entry.trial.number: entry.trial for entry in run.ledger().entries()}
    if number not in trials:
        raise AtrousError(
            f"Expected --trial to be one of the {len(trials)} that have ended in {run.path}, got "
            f"{number}."
        )
    return trials[number]
