"""What a search works on: images, a backbone, their features, and the proxy made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from atrous.core.config import SearchConfig
from atrous.core.errors import AtrousError
from atrous.data.canvas import Size
from atrous.data.dataset import Dataset, Samples, fingerprint, select
from atrous.data.layouts import read_dataset
from atrous.estimation.cached import Proxy
from atrous.estimation.extraction import Extraction, cached_features
from atrous.estimation.features import FeatureSet
from atrous.networks.backbones import Backbone, load_backbone
from atrous.networks.compute import Compute
from atrous.search.run import Run, Settings
from atrous.spaces import find_architecture, find_space, needs_backbone
from atrous.training.optimiser import Schedule

WEIGHT_DECAY = 4e-5


@dataclass(frozen=True)
class Sources:
    """The images of a search, and the backbone of its cells: `None` for whole networks."""

    dataset: Dataset
    training: Samples
    selection: Samples
    backbone: Backbone | None
    fingerprint: str

    @property
    def weights_digest(self) -> str:
        """That of the backbone; empty if there is none."""
        return self.backbone.weights_digest if self.backbone else ""


@dataclass(frozen=True)
class Material:
    """What candidates train on and are scored on, and the sources it was made from."""

    training: FeatureSet
    selection: FeatureSet
    sources: Sources


def sources_of(config: SearchConfig) -> Sources:
    """What a configuration names; raises `AtrousError` if it cannot be had."""
    dataset = read_dataset(Path(config.data.path))
    training, selection = select(dataset, config.data.select_on)
    backbone = None
    if needs_backbone(config.space):
        backbone = load_backbone(
            config.encoder.backbone,
            config.encoder.weights,
            config.encoder.output_stride,
            config.seed,
        )
    return Sources(dataset, training, selection, backbone, fingerprint((*training, *selection)))


def unchanged_sources(run: Run) -> Sources:
    """What a run was made on; raises `AtrousError` if data or weights have changed since."""
    sources = sources_of(run.config)
    _require_unchanged(run, sources)
    return sources


def make_material(
    sources: Sources, config: SearchConfig, crop: Size, device: str, cache: Path
) -> Material:
    """The features of the sources, from the cache if they are there.

    Raises `AtrousError` for the sources of whole networks, which read no features.
    """
    backbone = feature_backbone(sources)
    strides = strides_read(config, backbone)
    training, selection = (
        cached_features(Extraction(samples, backbone, crop, device, strides, labels), cache)
        for samples, labels in ((sources.training, False), (sources.selection, True))
    )
    return Material(training, selection, sources)


def strides_read(config: SearchConfig, backbone: Backbone) -> tuple[int, ...]:
    """The strides of the maps that architectures of the search, or its baselines, read."""
    spaces = {config.space, *(find_architecture(name).space for name in config.baselines)}
    read = {stride for name in spaces for stride in find_space(name).reads(backbone.channels)}
    return tuple(sorted(read))


def feature_backbone(sources: Sources) -> Backbone:
    """The backbone whose features cells read; raises `AtrousError` if there is none."""
    if sources.backbone is None:
        raise AtrousError(
            "Expected cells that read a backbone's features, but the architectures of this run are "
            "whole networks, which are trained on images. To compare some, train them: atrous train"
        )
    return sources.backbone


def material_of(run: Run, cache: Path) -> Material:
    """What a run's candidates train on; raises `AtrousError` if data or weights have changed."""
    sources, settings = unchanged_sources(run), run.settings
    return make_material(sources, run.config, settings.crop, settings.device, cache)


def features_of(samples: Samples, settings: Settings, sources: Sources, cache: Path) -> FeatureSet:
    """The features of any images of a run's data set, for scoring outside the search."""
    backbone = feature_backbone(sources)
    strides = strides_read(settings.config, backbone)
    extraction = Extraction(samples, backbone, settings.crop, settings.device, strides)
    return cached_features(extraction, cache)


def compute_of(settings: Settings) -> Compute:
    """How the trials of a run are computed."""
    return Compute(settings.device, settings.precision, settings.layout, settings.threads)


def estimator(settings: Settings, material: Material) -> Proxy:
    """The proxy of a run."""
    config = settings.config
    return Proxy(
        training=material.training,
        selection=material.selection,
        classes=len(material.sources.dataset.classes),
        filters=config.proxy.filters,
        schedule=Schedule(config.proxy.batch, config.proxy.rate, WEIGHT_DECAY),
        compute=compute_of(settings),
    )


def _require_unchanged(run: Run, sources: Sources) -> None:
    before, weights = run.context, sources.weights_digest
    checks = (
        ("images or masks", before.data_fingerprint, sources.fingerprint, run.config.data.path),
        ("backbone weights", before.weights_digest, weights, run.config.encoder.weights),
    )
    for what, expected, found, where in checks:
        if expected != found:
            raise AtrousError(
                f"The {what} of {run.path} have changed since it began (fingerprint {expected}, "
                f"now {found}, in {where}): its scores would not be comparable. Put them back, or "
                "start a new run with --out."
            )
