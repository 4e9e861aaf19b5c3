"""What a search works on: images, a backbone, their features, and the proxy made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from atrous.data.dataset import Dataset, Samples, fingerprint, select
from atrous.data.layouts import read_dataset
from atrous.errors import AtrousError
from atrous.estimation.compute import Compute, Layout, Precision
from atrous.estimation.crop import Size
from atrous.estimation.extraction import Extraction, cached_features
from atrous.estimation.features import FeatureSet
from atrous.estimation.proxy import Proxy, ScoreName
from atrous.estimation.training import Schedule
from atrous.models.backbones import Backbone, load_backbone
from atrous.request import Request
from atrous.run import Run, Settings

WEIGHT_DECAY = 4e-5


@dataclass(frozen=True)
class Images:
    """What networks train on and are scored on."""

    dataset: Dataset
    training: Samples
    selection: Samples
    fingerprint: str


@dataclass(frozen=True)
class Sources:
    """What features are computed from."""

    dataset: Dataset
    training: Samples
    selection: Samples
    backbone: Backbone
    fingerprint: str


@dataclass(frozen=True)
class Material:
    """What candidates train on and are scored on, and the sources it was made from."""

    training: FeatureSet
    selection: FeatureSet
    sources: Sources


def images_of(request: Request) -> Images:
    """The images that a request names; raises `AtrousError` if they cannot be had."""
    dataset = read_dataset(Path(request.data))
    training, selection = select(dataset, request.select_on)
    return Images(dataset, training, selection, fingerprint((*training, *selection)))


def sources_of(request: Request) -> Sources:
    """What a request names; raises `AtrousError` if it cannot be had."""
    images = images_of(request)
    backbone = load_backbone(request.backbone, request.weights, request.output_stride, request.seed)
    return Sources(images.dataset, images.training, images.selection, backbone, images.fingerprint)


def unchanged_images(run: Run) -> Images:
    """The images a run was made on; raises `AtrousError` if they have changed since."""
    images = images_of(run.request)
    _require_same_images(run, images.fingerprint)
    return images


def unchanged_sources(run: Run) -> Sources:
    """What a run was made on; raises `AtrousError` if data or weights have changed since."""
    sources = sources_of(run.request)
    _require_same_images(run, sources.fingerprint)
    before, found = run.context.weights_digest, sources.backbone.weights_digest
    _require_same("backbone weights", run, before, found, run.request.weights)
    return sources


def make_material(sources: Sources, crop: Size, device: str, cache: Path) -> Material:
    """The features of the sources, from the cache if they are there."""
    training, selection = (
        cached_features(Extraction(samples, sources.backbone, crop, device, labels), cache)
        for samples, labels in ((sources.training, False), (sources.selection, True))
    )
    return Material(training, selection, sources)


def material_of(run: Run, cache: Path) -> Material:
    """What a run's candidates train on; raises `AtrousError` if data or weights have changed."""
    return make_material(unchanged_sources(run), run.settings.crop, run.settings.device, cache)


def features_of(
    samples: Samples, settings: Settings, backbone: Backbone, cache: Path
) -> FeatureSet:
    """The features of any images of a run's data set, for scoring outside the search."""
    return cached_features(Extraction(samples, backbone, settings.crop, settings.device), cache)


def estimator(settings: Settings, material: Material) -> Proxy:
    """The proxy of a run."""
    request = settings.request
    return Proxy(
        training=material.training,
        selection=material.selection,
        classes=len(material.sources.dataset.classes),
        filters=request.filters,
        output_stride=request.output_stride,
        schedule=Schedule(request.batch, request.rate, WEIGHT_DECAY),
        compute=Compute(
            settings.device,
            cast(Precision, settings.precision),
            cast(Layout, settings.layout),
            settings.threads,
        ),
        score=cast(ScoreName, request.score),
    )


def _require_same_images(run: Run, found: str) -> None:
    _require_same("images or masks", run, run.context.data_fingerprint, found, run.request.data)


def _require_same(what: str, run: Run, before: str, found: str, where: str) -> None:
    if before != found:
        raise AtrousError(
            f"The {what} of {run.path} have changed since it began (fingerprint {before}, now "
            f"{found}, in {where}): its scores would not be comparable. Put them back, or start a "
            "new run with --out."
        )
