"""From what the user asks to a study: checks, features, estimators, and every cell under each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from atrous.core.config import CACHED, LARGE
from atrous.core.errors import require_all
from atrous.core.options import replaced, require_in_range
from atrous.core.stage_config import FidelityConfig
from atrous.core.trial import Origin, Trial
from atrous.data.canvas import Size, derive_crop, require_crop
from atrous.data.check import require_sound
from atrous.data.dataset import Dataset, Samples, fingerprint_sides, select
from atrous.data.layouts import read_dataset
from atrous.estimation.cached import Proxy
from atrous.estimation.end_to_end import FineTune
from atrous.estimation.extraction import Extraction, cached_features
from atrous.estimation.learning import are_resident
from atrous.estimation.search_data import schedule_of
from atrous.estimation.tune import Choice, Workload, choose
from atrous.execution import find_executor
from atrous.networks.backbones import Backbone, fitted_offsets, load_backbone
from atrous.networks.compute import Compute, cores, pick_device
from atrous.search.loop import Estimator, SearchPlan, Watcher, search
from atrous.search.promotion import FullBudget
from atrous.search.run import machine, software
from atrous.spaces import find_space
from atrous.spaces.blueprint import Blueprint
from atrous.stages.fidelity.study import (
    WHOLE,
    Fingerprints,
    Study,
    all_cells,
    create_study,
    open_study,
    require_same,
    some_cells,
)
from atrous.tasks import USUAL
from atrous.training.config import Protocol


@dataclass(frozen=True)
class StudyData:
    """The images that cells are trained and scored on; `crop` is the canvas (height, width)."""

    dataset: Dataset
    training: Samples
    selection: Samples
    backbones: dict[str, Backbone]
    crop: Size
    device: str

    def fingerprints(self) -> Fingerprints:
        """The fingerprints of it all."""
        digests = {name: backbone.weights_digest for name, backbone in self.backbones.items()}
        return Fingerprints(
            data=fingerprint_sides(self.training, self.selection),
            weights=digests[CACHED],
            large_weights=digests.get(LARGE, ""),
            machine=machine(),
            versions=software(),
        )


def prepare(asked: FidelityConfig, path: Path, cache: Path) -> tuple[Study, dict[str, Way]]:
    """The study in the folder, begun or gone on with, and how each of its settings is measured.

    Raises `AtrousError` before anything expensive if the request cannot be met, or if a study that
    began otherwise is in the folder.
    """
    require_possible(asked)
    data = _study_data(asked)
    settings = replaced(
        asked,
        data=str(Path(asked.data.path).resolve()),
        weights=_absolute(asked.small.weights),
        large_weights=_absolute(asked.large.weights),
        rate=schedule_of(asked.proxy).rate,
        crop=data.crop,
        device=data.device,
    )
    study, fingerprints = open_study(path), data.fingerprints()
    if study is None:
        computes = {n: _choose(settings, n, data, cache) for n in settings.names}
        study = Study(path, settings, fingerprints, computes)
        create_study(study)
    else:
        require_same(study, settings, fingerprints)
    return study, {name: _way(study, name, data, cache) for name in settings.names}


def _study_data(asked: FidelityConfig) -> StudyData:
    """Everything that is read, checked; nothing is computed."""
    device = pick_device(asked.machine.device)
    dataset = read_dataset(Path(asked.data.path))
    training, selection = select(dataset, asked.data.select_on)
    sizes = require_sound(dataset.root, asked.data.select_on)
    crop = asked.proxy.crop or derive_crop(sizes, asked.output_stride)
    backbones = {
        name: load_backbone(*asked.backbone_of(name), asked.output_stride, asked.seed)
        for name in asked.names
        if name in (CACHED, LARGE)
    }
    if asked.small.alignment == "fitted":
        for backbone in backbones.values():
            backbone.offsets = fitted_offsets(backbone)
    return StudyData(dataset, training, selection, backbones, crop, device)


def _choose(settings: FidelityConfig, name: str, data: StudyData, cache: Path) -> Choice:
    """How the trials of a setting are computed, and how many at a time.

    On a CPU, whole networks are trained in float32, one at a time on all cores unless said
    otherwise.
    """
    if settings.is_cached(name) or data.device != "cpu":
        workload = _workload(settings, name, data)
        return choose(workload, data.device, settings.machine.workers, settings.cells, cache)
    workers = settings.machine.workers or 1
    return Choice(Compute("cpu", "float32", "channels_last", max(1, cores() // workers)), workers)


def _workload(settings: FidelityConfig, name: str, data: StudyData) -> Workload:
    backbone = data.backbones[LARGE if name == LARGE else CACHED]
    return Workload(
        all_cells()[WHOLE],
        backbone.channels,
        data.crop,
        settings.proxy.filters,
        len(data.dataset.classes),
        settings.proxy.batch,
    )


def _way(study: Study, name: str, data: StudyData, cache: Path) -> Way:
    choice, settings = study.computes[name], study.settings
    estimator = (
        _proxy(settings, name, choice.compute, choice.workers, data, cache)
        if settings.is_cached(name)
        else _fine_tune(settings, name, choice.compute, data, study.path / f"{name}-training")
    )
    return Way(estimator, settings.steps_of(name), choice.workers)


def _proxy(
    settings: FidelityConfig,
    name: str,
    compute: Compute,
    workers: int,
    data: StudyData,
    cache: Path,
) -> Proxy:
    """The estimator that trains cells on cached features, as a search does."""
    training, selection = (
        cached_features(
            Extraction(
                samples,
                data.backbones[name],
                data.crop,
                data.device,
                (settings.output_stride,),
            ),
            cache,
        )
        for samples in (data.training, data.selection)
    )
    return Proxy(
        training=training,
        selection=selection,
        classes=len(data.dataset.classes),
        filters=settings.proxy.filters,
        schedule=schedule_of(settings.proxy),
        compute=compute,
        offsets=dict(data.backbones[name].offsets),
        init=settings.proxy.init,
        resident=are_resident((training, selection), compute.device, workers),
    )


def _fine_tune(
    settings: FidelityConfig, name: str, compute: Compute, data: StudyData, folder: Path
) -> FineTune:
    """The estimator that trains cell and backbone together, as re-ranking does."""
    backbone, weights = settings.backbone_of(name)
    blueprint = Blueprint(
        architecture=all_cells()[WHOLE],
        backbone=backbone,
        output_stride=settings.output_stride,
        filters=settings.proxy.filters,
        decoder=False,
        classes=data.dataset.classes,
        colours=data.dataset.colours,
        offsets=dict(data.backbones[LARGE if name == LARGE else CACHED].offsets),
    )
    protocol = Protocol(
        steps=settings.end_to_end_steps,
        batch=settings.proxy.batch,
        crop=data.crop,
        rate=settings.end_to_end_rate,
        precision=compute.precision,
        seed=settings.seed,
    )
    return FineTune(blueprint, weights, data.training, data.selection, protocol, compute, folder)


def _absolute(text: str) -> str:
    """A path that is found from any folder, if the text is that of a file."""
    return str(Path(text).resolve()) if Path(text).is_file() else text


def require_possible(asked: FidelityConfig) -> None:
    """Raises `AtrousError` with all that is wrong with a study, before data is looked at."""
    checks: list[Callable[[], object]] = [
        partial(require_in_range, asked),
        partial(pick_device, asked.machine.device),
        partial(find_executor, asked.machine.executor, 1),
    ]
    if asked.cells > 0:
        checks.append(partial(some_cells, asked.cells))
    if asked.proxy.crop:
        checks.append(partial(require_crop, asked.proxy.crop, asked.output_stride))
    require_all(*checks)


CELL = "cell"
"""The kind of origin of a cell that is measured."""


@dataclass(frozen=True)
class Way:
    """A way of measuring a cell: by `estimator`, in `steps` steps, `workers` at a time."""

    estimator: Estimator
    steps: int
    workers: int


def measure(
    study: Study, ways: Mapping[str, Way], begin: Callable[[str, int], None], watch: Watcher
) -> None:
    """Measures all cells, one setting after the other; what a ledger holds is not done again.

    `begin` hears of each setting and how many of its cells have ended before, `watch` of each cell
    that ends. Raises `AtrousError`.
    """
    cells = [
        Trial(number, cell, Origin(CELL, label=name), study.settings.seed)
        for number, (name, cell) in enumerate(some_cells(study.settings.cells).items())
    ]
    with study.locked():
        for name, way in ways.items():
            ledger = study.ledger(name)
            begin(name, len(ledger.entries()))
            plan = SearchPlan(
                space=find_space(all_cells()[WHOLE].space),
                promotion=FullBudget(way.steps),
                objective=USUAL.objective(USUAL.value),
                listed=cells,
                seed=study.settings.seed,
                workers=way.workers,
            )
            with find_executor(study.settings.machine.executor, way.workers) as executor:
                search(plan, ledger, way.estimator, executor, watch)
