"""The data of a search: images, a backbone, their cached features, and the proxy on them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from atrous.core.config import CELL_RATES, ProxyConfig, SearchConfig
from atrous.core.errors import AtrousError
from atrous.core.options import replaced
from atrous.core.records import to_json
from atrous.data.canvas import Size
from atrous.data.dataset import DataFingerprint, Dataset, Samples, fingerprint_sides, halves, select
from atrous.data.layouts import read_dataset
from atrous.estimation.cached import Proxy
from atrous.estimation.extraction import Extraction, cached_features
from atrous.estimation.features import TARGET_STRIDE, FeatureSet
from atrous.estimation.learning import Aids, are_resident
from atrous.model.folder import Contents, read_folder
from atrous.networks.backbones import Backbone, fitted_offsets, load_backbone
from atrous.networks.compute import Compute
from atrous.networks.network import Encoder
from atrous.networks.pyramid import IN_PLACE, Offsets, Pyramid
from atrous.networks.weights import digest
from atrous.search.promotion import rung_steps
from atrous.search.run import Run, Settings, write_about
from atrous.spaces import find_architecture, find_space, needs_backbone
from atrous.spaces.space import from_stride
from atrous.tasks import find_task
from atrous.training.optimiser import Schedule

WEIGHT_DECAY = 4e-5
DECOUPLED_DECAY = 0.01
"""Of AdamW, whose decay is a share of the learning rate and not of the loss."""


class Teacher(Encoder):
    """A trained model as an encoder of one map: its class scores at every fourth pixel. So they are
    computed once, and kept as features are."""

    def __init__(self, model: Contents) -> None:
        super().__init__()
        self.network = model.network
        self.name = f"teacher {model.blueprint.architecture}"
        self.output_stride = self.canvas = TARGET_STRIDE
        self.channels = {TARGET_STRIDE: len(model.blueprint.classes)}
        self.mean, self.std = model.transform.mean, model.transform.std
        # The task is left out: the digest is that of before there were several.
        blueprint = {n: v for n, v in to_json(model.blueprint).items() if n != "task"}
        built_from = json.dumps(blueprint, sort_keys=True)
        told = f"{digest(model.network)} {built_from}".encode()
        self.weights_digest = hashlib.blake2b(told, digest_size=16).hexdigest()

    def forward(self, images: Tensor) -> Pyramid:
        """Normalised images [B, 3, H, W] -> [B, K, h, w] at `TARGET_STRIDE`, one after another:
        scores of every pixel take much memory."""
        every = slice(None, None, TARGET_STRIDE)
        scores = [self.network(image[None])[..., every, every] for image in images]
        return {TARGET_STRIDE: torch.cat(scores)}


def teacher_of(folder: str | None, dataset: Dataset) -> Teacher | None:
    """The model in a folder, if one is named; raises `AtrousError` if it tells other classes."""
    if not folder:
        return None
    try:
        model = read_folder(Path(folder))
    except AtrousError as error:
        raise AtrousError(f"--teacher: {error}") from error
    if model.blueprint.classes != dataset.classes:
        told, wanted = (", ".join(names) for names in (model.blueprint.classes, dataset.classes))
        raise AtrousError(
            f"--teacher: expected a model of the classes {wanted} in {folder}, got one of {told}. "
            "Train one on this data set."
        )
    return Teacher(model)


@dataclass(frozen=True)
class SearchData:
    """The images of a search, the backbone of its cells, `None` for whole networks, and the model
    that they learn from besides, if there is one. The best are read again on `held_back`."""

    dataset: Dataset
    training: Samples
    selection: Samples
    backbone: Backbone | None
    fingerprint: DataFingerprint
    teacher: Teacher | None = None
    held_back: Samples = ()

    @property
    def weights_digest(self) -> str:
        """The digest of the backbone's weights; empty if there is none."""
        return self.backbone.weights_digest if self.backbone else ""

    @property
    def teacher_digest(self) -> str:
        """The digest of the teacher; empty if there is none."""
        return self.teacher.weights_digest if self.teacher else ""

    @property
    def offsets(self) -> Offsets:
        """Pixels from stride * i to what position i of a map sees, by stride."""
        return self.backbone.offsets if self.backbone else IN_PLACE


@dataclass(frozen=True)
class CachedFeatures:
    """The features that candidates train on and are scored on, the data they are of, and what a
    teacher says of the images that are trained on."""

    training: FeatureSet
    selection: FeatureSet
    data: SearchData
    teacher: FeatureSet | None = None


def search_data_of(config: SearchConfig, offsets: Offsets | None = None) -> SearchData:
    """Reads the data that a configuration names; raises `AtrousError` if it cannot be had.

    `offsets` are those of the backbone's maps where they are known.
    """
    dataset = read_dataset(Path(config.data.path))
    training, selection = select(dataset, config.data.select_on)
    held_back: Samples = ()
    if config.reading.reread:
        selection, held_back = halves(selection)
    backbone = None
    if needs_backbone(config.space):
        backbone = load_backbone(*config.encoder.chosen, config.seed)
        if offsets is None:
            fit = config.encoder.alignment == "fitted"
            offsets = fitted_offsets(backbone) if fit else IN_PLACE
        backbone.offsets = offsets
    sides = fingerprint_sides(training, selection)
    teacher = teacher_of(config.proxy.teacher, dataset)
    return SearchData(dataset, training, selection, backbone, sides, teacher, held_back)


def unchanged_data(run: Run) -> SearchData:
    """Reads the data of a run; raises `AtrousError` if data or weights have changed since."""
    require_there(run)
    data = search_data_of(run.config, run.context.offsets)
    _require_unchanged(run, data)
    return data


def require_there(run: Run) -> None:
    """Raises `AtrousError` if the data set of a run is not where it was."""
    if not Path(run.config.data.path).exists():
        raise AtrousError(
            f"The data set of {run.path} was in {run.config.data.path}, where nothing is now. Put "
            "it back, or give the same command with --data and the folder where it is now."
        )


def moved(run: Run, folder: Path | None) -> Run:
    """Returns the run with its data set in another folder from now on, if one is given.

    Raises `AtrousError` unless the images and masks there are those that the run began with.
    """
    if folder is None:
        return run
    config = replaced(run.config, data=str(folder.resolve()))
    there = replace(run, settings=replace(run.settings, config=config))
    unchanged_data(there)
    with run.locked():
        write_about(there)
    return there


def cached_of_data(
    data: SearchData, config: SearchConfig, crop: Size, device: str, cache: Path
) -> CachedFeatures:
    """The features of the data, from the cache if they are there.

    Raises `AtrousError` for the data of whole networks, which read no features.
    """
    backbone = backbone_of(data)
    strides, task = strides_read(config, backbone), find_task(config.task)
    selection = Extraction(data.selection, backbone, crop, device, strides, task=task)
    training = replace(selection, samples=data.training, labels=False, mirrored=config.proxy.flip)
    kept, scored = (cached_features(each, cache) for each in (training, selection))
    taught = None
    if data.teacher:
        scores = replace(training, backbone=data.teacher, strides=(TARGET_STRIDE,))
        taught = cached_features(scores, cache)
    return CachedFeatures(kept, scored, data, taught)


def strides_read(config: SearchConfig, backbone: Backbone) -> tuple[int, ...]:
    """The strides of the maps that architectures of the search, or its baselines, read."""
    spaces = {config.space, *(find_architecture(name).space for name in config.baselines)}
    maps = from_stride(backbone.channels, config.encoder.finest_stride)
    read = {stride for name in spaces for stride in find_space(name).reads(maps)}
    return tuple(sorted(read))


def backbone_of(data: SearchData) -> Backbone:
    """The backbone whose features cells read; raises `AtrousError` if there is none."""
    if data.backbone is None:
        raise AtrousError(
            "Expected cells that read a backbone's features, but the architectures of this run are "
            "whole networks, which are trained on images. To compare some, train them: atrous train"
        )
    return data.backbone


def cached_of(run: Run, cache: Path) -> CachedFeatures:
    """Returns the features of a run; raises `AtrousError` if data or weights have changed."""
    data, settings = unchanged_data(run), run.settings
    return cached_of_data(data, run.config, settings.crop, settings.device, cache)


def features_beside(
    samples: Samples, settings: Settings, data: SearchData, cache: Path
) -> FeatureSet:
    """The features of any images of a run's data set, for scoring outside the search."""
    backbone = backbone_of(data)
    strides, task = strides_read(settings.config, backbone), find_task(settings.config.task)
    extraction = Extraction(samples, backbone, settings.crop, settings.device, strides, task=task)
    return cached_features(extraction, cache)


def compute_of(settings: Settings) -> Compute:
    """How the trials of a run are computed."""
    return Compute(settings.device, settings.precision, settings.layout, settings.threads)


def schedule_of(asked: ProxyConfig) -> Schedule:
    """How a candidate is trained under the proxy that is asked for."""
    decay = DECOUPLED_DECAY if asked.optimiser == "adamw" else WEIGHT_DECAY
    rate = asked.rate or CELL_RATES[asked.optimiser]
    return Schedule(asked.batch, rate, decay, asked.optimiser, asked.rate_warm_up)


def estimator(settings: Settings, cached: CachedFeatures) -> Proxy:
    """The proxy of a run."""
    config = settings.config
    sets = [each for each in (cached.training, cached.selection, cached.teacher) if each]
    return Proxy(
        training=cached.training,
        selection=cached.selection,
        classes=len(cached.data.dataset.classes),
        filters=config.proxy.filters,
        schedule=replace(
            schedule_of(config.proxy), rungs=rung_steps(config.rungs, config.proxy.steps)
        ),
        compute=compute_of(settings),
        offsets=dict(cached.data.offsets),
        init=config.proxy.init,
        resident=are_resident(sets, settings.device, settings.workers),
        aids=Aids(config.proxy.auxiliary, config.proxy.average, cached.teacher),
        task=find_task(config.task),
    )


def _require_unchanged(run: Run, data: SearchData) -> None:
    before, config = run.context, run.config
    sides = before.fingerprint.changes(data.fingerprint, config.data.select_on)
    changes = [f"{sides}, in {config.data.path}"] if sides else []
    if before.classes != data.dataset.classes:
        names = ", ".join(before.classes), ", ".join(data.dataset.classes)
        changes.append(f"classes (they were {names[0]}; now {names[1]})")
    if before.weights_digest != data.weights_digest:
        digests = f"fingerprint {before.weights_digest}, now {data.weights_digest}"
        changes.append(f"backbone weights ({digests}, in {config.encoder.weights})")
    if before.teacher_digest != data.teacher_digest:
        changes.append(f"the teacher in {config.proxy.teacher}")
    if changes:
        raise AtrousError(
            f"What {run.path} was searched on has changed since it began, so that its scores "
            f"would not be comparable: {'; '.join(changes)}. Put them back, or start a new run "
            "with --out."
        )
