"""A model's folder, for each test its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.model.material import saved


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound folder, to be copied."""
    return saved(tmp_path_factory.mktemp("whole") / "model")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A sound folder, to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "model"))
