"""A data set, made once for all tests of training."""

from __future__ import annotations

from pathlib import Path

import pytest

from atrous.data.dataset import Samples, select
from atrous.data.layouts import read_dataset
from tests.small_search import write_data


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five training and three selection images of 64 x 96 pixels, to be read only."""
    return write_data(tmp_path_factory.mktemp("training") / "data")


@pytest.fixture(scope="session")
def samples(data: Path) -> tuple[Samples, Samples]:
    """The training and the selection samples."""
    return select(read_dataset(data), "val")
