"""Images and their features, made once for all tests of the estimation."""

from __future__ import annotations

from pathlib import Path

import pytest

from atrous.data.dataset import Sample
from atrous.estimation.extraction import Extraction, cached_features
from atrous.estimation.features import FeatureSet
from atrous.networks.backbones import Backbone, load_backbone
from tests.estimation.material import CROP, STRIDE, write_samples


@pytest.fixture(scope="session")
def backbone() -> Backbone:
    """A small backbone with random weights."""
    return load_backbone("test_efficientnet", "none", STRIDE)


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sample, ...]:
    """Images of several sizes."""
    return write_samples(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that tests read."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def data(samples: tuple[Sample, ...], backbone: Backbone, cache: Path) -> FeatureSet:
    """The features of the images."""
    return cached_features(Extraction(samples, backbone, CROP, "cpu", (16,)), cache)
