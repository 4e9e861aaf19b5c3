from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from atrous.core.errors import AtrousError
from atrous.data.check import check
from atrous.data.dataset import IGNORE, read_image, read_mask
from atrous.data.layouts import read_dataset
from atrous.scenes.canvas import CLASSES
from atrous.scenes.scene import draw_scene, split_counts, write_scenes

T = TypeVar("T")


def test_a_written_folder_passes_the_check(tmp_path: Path) -> None:
    dataset = write_scenes(tmp_path / "scenes", 40, 3)
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {
        "train": 28,
        "val": 6,
        "test": 6,
    }
    assert dataset.classes == CLASSES
    report = check(dataset.root)
    assert report.errors == 0
    assert set(report.sizes) == {"384x256"}
    assert all(share > 0.002 for share in report.shares["train"].values())
    assert 0 < report.ignored["train"] < 0.05


def test_image_and_mask_have_the_asked_size_and_ids(tmp_path: Path) -> None:
    dataset = write_scenes(tmp_path, 3, 0, size=(96, 160))
    for samples in dataset.splits.values():
        assert read_image(samples[0].image).shape == (96, 160, 3)
        mask = read_mask(samples[0].mask)
        assert mask.shape == (96, 160)
        assert set(np.unique(mask)) <= {*range(len(CLASSES)), IGNORE}


def test_an_image_does_not_depend_on_how_many_are_drawn(tmp_path: Path) -> None:
    few = write_scenes(tmp_path / "few", 3, 7, size=(64, 96)).splits
    more = write_scenes(tmp_path / "more", 10, 7, size=(64, 96)).splits
    other = write_scenes(tmp_path / "other", 3, 8, size=(64, 96)).splits
    for split in ("train", "val", "test"):
        one, two, three = few[split][0], more[split][0], other[split][0]
        assert one.image.read_bytes() == two.image.read_bytes()
        assert one.mask.read_bytes() == two.mask.read_bytes()
        assert one.image.read_bytes() != three.image.read_bytes()


def test_splits_differ() -> None:
    one, two = (np.asarray(draw_scene(f"0/{split}/0")[0]) for split in ("train", "val"))
    assert (one != two).any()


def test_road_and_pavement_often_share_one_grey() -> None:
    close = 0
    for k in range(30):
        image, mask = (np.asarray(part) for part in draw_scene(f"5/train/{k}", (128, 192)))
        road, pavement = (image[mask == CLASSES.index(n)] for n in ("road", "pavement"))
        if len(road) > 300 and len(pavement) > 300:
            close += bool(np.abs(np.median(road, 0) - np.median(pavement, 0)).max() < 15)
    assert close >= 8


@pytest.mark.parametrize("images", [3, 4, 7, 10, 100, 1001])
def test_every_split_gets_an_image(images: int) -> None:
    counts = split_counts(images)
    assert sum(counts.values()) == images
    assert min(counts.values()) >= 1
    assert counts["train"] >= counts["val"]


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match="at least 3 images"):
        write_scenes(tmp_path / "a", 2, 0)
    with pytest.raises(AtrousError, match="at least 32 pixels"):
        write_scenes(tmp_path / "b", 3, 0, size=(16, 64))
    (tmp_path / "mine.txt").touch()
    with pytest.raises(AtrousError, match="already in use"):
        write_scenes(tmp_path, 3, 0)


def test_scenes_that_are_not_all_drawn_are_no_data_set(tmp_path: Path) -> None:
    def stopped(items: Iterable[T], label: str, total: int) -> Iterator[T]:
        yield from islice(items, 2)
        raise OSError(f"no room while {label} of {total}")

    with pytest.raises(AtrousError, match=r"write scenes to .*no room while .*Make room"):
        write_scenes(tmp_path / "part", 9, 0, (64, 96), stopped)
    assert len(list((tmp_path / "part/masks/train").iterdir())) == 2
    with pytest.raises(AtrousError, match=r"classes\.txt, which does not exist"):
        read_dataset(tmp_path / "part")
