"""How the candidates of a run are measured: cells on cached features, whole networks on images."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from uuid import uuid4

from atrous.core.architecture import Architecture
from atrous.core.config import SearchConfig
from atrous.data.canvas import Size, derive_crop
from atrous.data.checks.check import require_sound
from atrous.data.palette import Colour
from atrous.estimation.end_to_end import FineTune
from atrous.estimation.search_data import (
    Material,
    Sources,
    compute_of,
    estimator,
    make_material,
    material_of,
    sources_of,
    unchanged_sources,
)
from atrous.estimation.tune import Choice, Workload, choose
from atrous.networks.compute import Compute, cores, pick_device, whole_precision
from atrous.search.loop import Estimator
from atrous.search.run import Context, Run, Settings, machine, software
from atrous.spaces import find_space, needs_backbone, yardstick
from atrous.spaces.blueprint import Blueprint
from atrous.spaces.space import IMAGE, Shape
from atrous.training.config import Protocol, derive_training_crop

TRIALS_PER_WORKER = 8
"""No more workers are picked than leave each so many trials: the more there are, the less a
proposal may learn from."""
RGB = 3
WORK = "trials"
"""The folder of a run where its networks keep checkpoints while they are trained."""


@dataclass(frozen=True)
class Prepared:
    """What a run is made of, and what measures its trials when it lies in a folder."""

    settings: Settings
    context: Context
    material: Material | Sources

    def estimator(self, path: Path) -> Estimator:
        """What measures the trials of the run in the folder `path`."""
        if isinstance(self.material, Material):
            return estimator(self.settings, self.material)
        return _whole_estimator(self.settings, self.material, path)


def prepare(config: SearchConfig, lasting: SearchConfig, cache: Path) -> Prepared:
    """Checks the data, computes features where cells read them, and picks how to compute.

    `lasting` is the configuration as it is kept. Raises `AtrousError` before anything expensive
    if it cannot be met.
    """
    device = pick_device(config.machine.device)
    sources = sources_of(config)
    sizes = require_sound(sources.dataset.root)
    if sources.backbone is None:
        return _on_images(lasting, sources, sizes, device)
    crop = config.proxy.crop or derive_crop(sizes, config.encoder.output_stride)
    material = make_material(sources, config, crop, device, cache)
    choice = _choice(config, material, device, cache)
    context = _context(sources, material.training.shapes)
    return Prepared(_settings(lasting, choice, crop), context, material)


def estimator_of(run: Run, cache: Path) -> Estimator:
    """What measures the trials of a run; raises `AtrousError` if data or weights have changed."""
    if needs_backbone(run.config.space):
        return estimator(run.settings, material_of(run, cache))
    return _whole_estimator(run.settings, unchanged_sources(run), run.path)


def blueprint_of(
    config: SearchConfig,
    architecture: Architecture,
    classes: tuple[str, ...],
    colours: tuple[Colour, ...],
) -> Blueprint:
    """The network of an architecture under a configuration, without a decoder."""
    whole = not needs_backbone(architecture)
    return Blueprint(
        architecture,
        "" if whole else config.encoder.backbone,
        0 if whole else config.encoder.output_stride,
        config.proxy.filters,
        False,
        classes,
        colours,
    )


def _on_images(config: SearchConfig, sources: Sources, sizes: list[Size], device: str) -> Prepared:
    canvas = find_space(config.space).coarsest(config.encoder.output_stride)
    crop = config.proxy.crop or derive_training_crop(sizes, canvas)
    workers = config.machine.workers or (1 if device != "cpu" else _most_workers(config))
    threads = max(1, cores() // workers)
    compute = Compute(device, whole_precision(device, None), "channels_last", threads)
    settings = _settings(config, Choice(compute, workers), crop)
    return Prepared(settings, _context(sources, {IMAGE: (RGB, *crop)}), sources)


def _whole_estimator(settings: Settings, sources: Sources, path: Path) -> FineTune:
    """Trains whole networks from the first step on, from random weights."""
    config = settings.config
    space = find_space(config.space)
    template = space.architecture(space.unrank(0))
    protocol = Protocol(
        steps=config.proxy.steps,
        batch=config.proxy.batch,
        crop=settings.crop,
        rate=config.proxy.rate,
        precision=settings.precision,
    )
    return FineTune(
        blueprint_of(config, template, sources.dataset.classes, sources.dataset.colours),
        "none",
        sources.training,
        sources.selection,
        protocol,
        compute_of(settings),
        (path / WORK).resolve(),
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


def _choice(config: SearchConfig, material: Material, device: str, cache: Path) -> Choice:
    workload = Workload(
        yardstick(config.space),
        material.training.channels,
        material.training.crop,
        config.proxy.filters,
        len(material.sources.dataset.classes),
        config.proxy.batch,
    )
    return choose(workload, device, config.machine.workers, _most_workers(config), cache)


def _most_workers(config: SearchConfig) -> int:
    return max(1, min(cores(), config.budget.trials // TRIALS_PER_WORKER))


def _context(sources: Sources, maps: dict[int, Shape]) -> Context:
    return Context(
        classes=sources.dataset.classes,
        training_images=len(sources.training),
        selection_images=len(sources.selection),
        data_fingerprint=sources.fingerprint,
        weights_digest=sources.weights_digest,
        maps=maps,
        versions=software(),
        python=platform.python_version(),
        machine=machine(),
        begun=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        identity=uuid4().hex,
    )
