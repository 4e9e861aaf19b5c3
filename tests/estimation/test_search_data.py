"""What a search works on is what it began with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from atrous.core.errors import AtrousError
from atrous.estimation.cached import Proxy
from atrous.estimation.search_data import cached_of, unchanged_data
from atrous.search.loop import Estimator
from atrous.search.run import Run
from tests import small_search
from tests.small_search import write_data


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data")


@pytest.fixture
def begun(data: Path, tmp_path: Path, cache: Path) -> tuple[Run, Estimator]:
    return small_search.begun(data, tmp_path / "run", cache)


def brighten(data: Path) -> None:
    path = data / "images" / "train" / "train0.png"
    Image.fromarray(np.asarray(Image.open(path)) // 2).save(path)


def relabel(data: Path) -> None:
    path = data / "masks" / "val" / "val1.png"
    Image.fromarray((np.asarray(Image.open(path)) + 1) % 3).save(path)


def add(data: Path) -> None:
    for kind in ("images", "masks"):
        shutil.copy(data / kind / "train" / "train0.png", data / kind / "train" / "train9.png")


def remove(data: Path) -> None:
    (data / "masks" / "val" / "val2.png").unlink()


@pytest.mark.parametrize("change", [brighten, relabel, add, remove])
def test_changed_data_is_noticed_before_anything_is_computed(
    begun: tuple[Run, Estimator], data: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    run, _ = begun
    change(data)
    with pytest.raises(AtrousError, match=r"was searched on has changed.*images or masks.*--out"):
        cached_of(run, tmp_path / "other cache")
    assert not (tmp_path / "other cache").exists()


def test_the_side_that_changed_is_named(begun: tuple[Run, Estimator], data: Path) -> None:
    run, _ = begun
    before = run.context.fingerprint
    brighten(data)
    with pytest.raises(AtrousError, match=r": training images or masks \(split train") as told:
        unchanged_data(run)
    assert before.training in str(told.value)
    assert before.selection not in str(told.value)
    for kind in ("images", "masks"):
        path = data / kind / "train" / "train1.png"
        path.rename(data / kind / "val" / path.name)
    with pytest.raises(AtrousError, match=r"split train.* and selection .*split val"):
        unchanged_data(run)


def test_changed_class_names_are_noticed(begun: tuple[Run, Estimator], data: Path) -> None:
    run, _ = begun
    (data / "classes.txt").write_text("one\ntwo\nthree\n")
    with pytest.raises(AtrousError, match=r"classes \(they were .*now one, two, three"):
        unchanged_data(run)


def test_changed_weights_are_noticed(begun: tuple[Run, Estimator], tmp_path: Path) -> None:
    run, _ = begun
    other = replace(run, settings=replace(run.settings, config=replace(run.config, seed=1)))
    with pytest.raises(AtrousError, match=r"run was searched on has changed.*: backbone weights"):
        cached_of(other, tmp_path / "other cache")


def test_lost_features_are_computed_again(begun: tuple[Run, Estimator], tmp_path: Path) -> None:
    run, before = begun
    assert isinstance(before, Proxy)
    after = cached_of(run, tmp_path / "other cache")
    assert after.training.path != before.training.path
    assert (after.training.features[16] == before.training.features[16]).all()
