"""From what a user asks of training to a job, every default filled in and everything checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from atrous.core.console import note, track
from atrous.core.errors import AtrousError
from atrous.data.augment import SCALES
from atrous.data.canvas import Size, largest, require_crop
from atrous.data.checks.check import require_sound
from atrous.data.dataset import Dataset, fingerprint, select
from atrous.data.layouts import read_dataset
from atrous.estimation.start import usual_rate
from atrous.networks.backbones import OUTPUT_STRIDES, load_backbone
from atrous.networks.compute import Compute, Precision, cores, pick_device, whole_precision
from atrous.spaces import find_space, needs_backbone
from atrous.spaces.blueprint import Blueprint, blank_network, untrained_rates
from atrous.stages.train.class_weights import balanced_weights
from atrous.stages.train.job import Job
from atrous.stages.train.origin import Origin
from atrous.training.config import (
    BATCH,
    STEPS,
    WEIGHT_DECAY,
    Protocol,
    derive_training_crop,
)
from atrous.training.crops import share_of
from atrous.training.log import load_board
from atrous.training.world import World, announced

SCORES_A_RUN = 20
"""The selection images are scored so often in a run unless the user says otherwise."""


@dataclass(frozen=True)
class Ask:
    """What to train, on what, and how; `None` is derived from data and machine.

    `scales` are those of random scaling; `balanced` asks for class weights.
    """

    origin: Origin
    decoder: bool = False
    steps: int = STEPS
    batch: int = BATCH
    crop: Size | None = None
    rate: float | None = None
    weight_decay: float = WEIGHT_DECAY
    scales: tuple[float, ...] = SCALES
    flip: bool = True
    tune_norm: bool = True
    balanced: bool = False
    precision: Precision | None = None
    accumulate: int = 1
    average: float = 0.0
    drop_path: float = 0.0
    score_every: int | None = None
    seed: int = 0
    device: str = "auto"
    licence: str = ""
    tensorboard: bool = False

    def blueprint(self, dataset: Dataset) -> Blueprint:
        """The network that is asked for, for a data set's classes."""
        return Blueprint(
            self.origin.architecture,
            self.origin.backbone,
            self.origin.output_stride,
            self.origin.filters,
            self.decoder,
            dataset.classes,
            dataset.colours,
        )

    def protocol(self, crop: Size, precision: Precision) -> Protocol:
        """The protocol that is asked for, without class weights."""
        return Protocol(
            steps=self.steps,
            batch=self.batch,
            crop=crop,
            rate=self._usual_rate() if self.rate is None else self.rate,
            weight_decay=self.weight_decay,
            scales=self.scales,
            flip=self.flip,
            tune_norm=self.tune_norm,
            precision=precision,
            accumulate=self.accumulate,
            average=self.average,
            drop_path=self.drop_path,
            score_every=(
                max(1, self.steps // SCORES_A_RUN) if self.score_every is None else self.score_every
            ),
            seed=self.seed,
        )

    def _usual_rate(self) -> float:
        return usual_rate(gentle=False, scratch=not needs_backbone(self.origin.architecture))


def job_of(ask: Ask, sound: Callable[[Path], list[Size]] = require_sound) -> Job:
    """The job; raises `AtrousError` before anything expensive if it cannot be done."""
    device = pick_device(ask.device)
    precision = whole_precision(device, ask.precision)
    origin = ask.origin
    _require_possible(ask, announced(device))
    dataset = read_dataset(Path(origin.data))
    training, selection = select(dataset, origin.select_on)
    blueprint = ask.blueprint(dataset)
    blank_network(blueprint)
    if origin.backbone:
        load_backbone(origin.backbone, origin.weights, origin.output_stride)
    sizes = sound(dataset.root)
    crop = ask.crop or derive_training_crop(sizes, canvas_of(origin))
    protocol = ask.protocol(crop, precision)
    told = untrained_rates(blueprint, crop, largest(sizes)) if sizes else None
    if told and announced(device).leads:
        note(told)
    if ask.balanced:
        weights = balanced_weights(training, len(dataset.classes), track)
        protocol = Protocol(**{**vars(protocol), "class_weights": weights})
    file = Path(origin.weights)
    return Job(
        name=origin.name,
        data=str(Path(origin.data).resolve()),
        select_on=origin.select_on,
        licence=ask.licence,
        blueprint=blueprint,
        weights=str(file.resolve()) if file.is_file() else origin.weights,
        protocol=protocol,
        compute=Compute(device, precision, "channels_last", cores()),
        tensorboard=ask.tensorboard,
        fingerprint=fingerprint((*training, *selection)),
    )


def canvas_of(origin: Origin) -> int:
    """Crops have k * this + 1 pixels on each axis."""
    return find_space(origin.architecture.space).coarsest(origin.output_stride)


def _require_possible(ask: Ask, world: World) -> None:
    """Raises `AtrousError` for numbers that no training can have, before data is looked at."""
    share_of(ask.protocol(ask.crop or (1, 1), "float32"), world)
    origin = ask.origin
    whole = not needs_backbone(origin.architecture)
    if not whole and origin.output_stride not in OUTPUT_STRIDES:
        raise AtrousError(f"--output-stride is 8 or 16, got {origin.output_stride}.")
    if origin.filters < 1:
        raise AtrousError(f"--filters is at least 1, got {origin.filters}.")
    if ask.drop_path and not whole:
        raise AtrousError(
            f"--drop-path drops operations of the cells that a whole network repeats, and "
            f"{origin.name} is none: expected 0, got {ask.drop_path}. Leave it out."
        )
    if ask.crop:
        require_crop(ask.crop, canvas_of(origin))
    if ask.tensorboard:
        load_board()
