"""How the candidates of a run are measured: cells on cached features, whole networks on images."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from math import prod
from pathlib import Path
from uuid import uuid4

from atrous.core.architecture import Architecture
from atrous.core.config import SearchConfig
from atrous.data.canvas import Size, derive_crop, feature_size
from atrous.data.check import require_sound
from atrous.data.encoding import Colour
from atrous.estimation.cached import Proxy
from atrous.estimation.end_to_end import FineTune
from atrous.estimation.outcome import Rungs
from atrous.estimation.search_data import (
    CachedFeatures,
    SearchData,
    backbone_of,
    cached_of,
    cached_of_data,
    compute_of,
    estimator,
    search_data_of,
    strides_read,
    unchanged_data,
)
from atrous.estimation.tune import Choice, Workload, choose, least_memory
from atrous.networks.compute import (
    Compute,
    cards,
    cores,
    machine_memory,
    pick_device,
    require_memory,
    whole_precision,
)
from atrous.networks.pyramid import IN_PLACE, Offsets
from atrous.search.loop import Estimator
from atrous.search.objective import goal_of
from atrous.search.promotion import find_promotion, rung_steps
from atrous.search.run import Context, Run, Settings, machine, software
from atrous.spaces import find_space, needs_backbone, yardstick
from atrous.spaces.blueprint import Blueprint
from atrous.spaces.space import IMAGE, Shape
from atrous.tasks import find_task
from atrous.training.config import SCRATCH_RATE, Protocol, derive_training_crop

TRIALS_PER_WORKER = 8
"""No more workers are picked than leave each so many trials: the more there are, the less a
proposal may learn from."""
RGB, FLOAT = 3, 4
WORK = "trials"
"""The folder of a run where its networks keep checkpoints while they are trained."""


@dataclass(frozen=True)
class Prepared:
    """The makings of a run, and of the estimator of its trials."""

    settings: Settings
    context: Context
    cached: CachedFeatures | SearchData

    @property
    def data(self) -> SearchData:
        """The images of the search."""
        return self.cached.data if isinstance(self.cached, CachedFeatures) else self.cached

    def estimator(self, path: Path) -> Estimator:
        """Returns the estimator of the trials of the run in the folder `path`."""
        if isinstance(self.cached, CachedFeatures):
            return _cached_estimator(self.settings, self.cached, path)
        return _whole_estimator(self.settings, self.cached, path)


def prepare(config: SearchConfig, lasting: SearchConfig, cache: Path) -> Prepared:
    """Checks the data, computes features where cells read them, and picks how to compute.

    `lasting` is the configuration as it is kept. Raises `AtrousError` before anything expensive
    if it cannot be met.
    """
    device = pick_device(config.machine.device)
    data = search_data_of(config)
    sizes = require_sound(data.dataset.root, config.data.select_on)
    if data.backbone is None:
        return _on_images(lasting, data, sizes, device)
    crop = config.proxy.crop or derive_crop(sizes, data.backbone.output_stride)
    cached = cached_of_data(data, lasting, crop, device, cache)
    choice = _choice(config, cached, device, cache)
    context = _context(data, cached.training.shapes)
    return Prepared(_settings(lasting, choice, crop), context, cached)


def outlined(config: SearchConfig, lasting: SearchConfig) -> tuple[Settings, Context]:
    """Checks the data, and tells how a search would be made on it, without its features: trials
    would be computed one at a time."""
    device = pick_device(config.machine.device)
    data = search_data_of(config)
    sizes = require_sound(data.dataset.root, config.data.select_on)
    backbone = backbone_of(data)
    crop = config.proxy.crop or derive_crop(sizes, backbone.output_stride)
    maps = {
        stride: (backbone.channels[stride], *feature_size(crop, stride))
        for stride in strides_read(lasting, backbone)
    }
    compute = Compute(device, whole_precision(device, None), "channels_last", cores())
    choice = Choice(compute, config.machine.workers or 1)
    return _settings(lasting, choice, crop), _context(data, maps)


def estimator_of(run: Run, cache: Path) -> Estimator:
    """Returns the estimator of a run; raises `AtrousError` if data or weights have changed."""
    if needs_backbone(run.config.space):
        return _cached_estimator(run.settings, cached_of(run, cache), run.path)
    return _whole_estimator(run.settings, unchanged_data(run), run.path)


def blueprint_of(
    config: SearchConfig,
    architecture: Architecture,
    classes: tuple[str, ...],
    colours: tuple[Colour, ...],
    offsets: Offsets = IN_PLACE,
) -> Blueprint:
    """The network of an architecture under a configuration, without a decoder; `offsets` are those
    of the backbone's maps."""
    whole = not needs_backbone(architecture)
    return Blueprint(
        architecture,
        None if whole else config.encoder.backbone,
        None if whole else config.encoder.output_stride,
        config.proxy.filters,
        False,
        classes,
        colours,
        dict(offsets),
        None if whole else config.encoder.finest_stride,
        config.task,
    )


def _on_images(config: SearchConfig, data: SearchData, sizes: list[Size], device: str) -> Prepared:
    canvas = find_space(config.space).coarsest(config.encoder.output_stride)
    crop = config.proxy.crop or derive_training_crop(sizes, canvas)
    most = _most_workers(config)
    workers = config.machine.workers or min(cards(device) or most, most)
    threads = max(1, cores() // workers)
    compute = Compute(device, whole_precision(device, None), "channels_last", threads)
    settings = _settings(config, Choice(compute, workers), crop)
    return Prepared(settings, _context(data, {IMAGE: (RGB, *crop)}), data)


def _cached_estimator(settings: Settings, cached: CachedFeatures, path: Path) -> Proxy:
    """Trains cells; where some are promoted, all keep their state in the run's folder."""
    rungs = rungs_in(path, settings.config)
    return replace(estimator(settings, cached), rungs=rungs if rungs.top else None)


def rungs_in(path: Path, config: SearchConfig) -> Rungs:
    """Where the trials of a run keep their state from one rung to the next."""
    top = find_promotion(config.rungs, config.proxy.steps).rungs[-1].level
    return Rungs((path / WORK).resolve(), top)


def _whole_estimator(settings: Settings, data: SearchData, path: Path) -> FineTune:
    """Trains whole networks from the first step on, from random weights."""
    config = settings.config
    space = find_space(config.space)
    template = space.architecture(space.unrank(0))
    protocol = Protocol(
        steps=config.proxy.steps,
        batch=config.proxy.batch,
        crop=settings.crop,
        rate=config.proxy.rate or SCRATCH_RATE,
        precision=settings.precision,
        score=find_task(config.task).value,
        rungs=rung_steps(config.rungs, config.proxy.steps),
    )
    rungs = rungs_in(path, config)
    return FineTune(
        blueprint_of(config, template, data.dataset.classes, data.dataset.colours),
        "none",
        data.training,
        data.selection,
        protocol,
        compute_of(settings),
        rungs.folder,
        top=rungs.top,
    )


def _settings(config: SearchConfig, choice: Choice, crop: Size) -> Settings:
    return Settings(
        config=config,
        workers=choice.workers,
        crop=crop,
        device=choice.compute.device,
        precision=choice.compute.precision,
        layout=choice.compute.layout,
        threads=choice.compute.threads,
    )


def _choice(config: SearchConfig, cached: CachedFeatures, device: str, cache: Path) -> Choice:
    workload = Workload(
        yardstick(config.space),
        cached.training.channels,
        cached.training.crop,
        config.proxy.filters,
        len(cached.data.dataset.classes),
        config.proxy.batch,
    )
    maps = FLOAT * workload.batch * sum(map(prod, cached.training.shapes.values()))
    room, most = maps + least_memory(workload), _most_workers(config)
    what = f"for a training step of {workload.batch} images, {workload.filters} filters wide"
    require_memory(room, device, what, "Lower --filters, --batch or --crop.")
    if device == "cpu":
        most = max(1, min(most, int(machine_memory() // room)))
    return choose(workload, device, config.machine.workers, most, cache)


def _most_workers(config: SearchConfig) -> int:
    """How many trials run at a time at most: one where latencies are measured, which others would
    make longer."""
    if "latency" in goal_of(config).priced:
        return 1
    return max(1, min(cores(), config.budget.trials // TRIALS_PER_WORKER))


def _context(data: SearchData, maps: dict[int, Shape]) -> Context:
    return Context(
        classes=data.dataset.classes,
        training_images=len(data.training),
        selection_images=len(data.selection),
        fingerprint=data.fingerprint,
        weights_digest=data.weights_digest,
        teacher_digest=data.teacher_digest,
        maps=maps,
        offsets=dict(data.offsets),
        versions=software(),
        python=platform.python_version(),
        machine=machine(),
        begun=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        identity=uuid4().hex,
    )
