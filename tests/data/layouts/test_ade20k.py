from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.data.check import check
from atrous.data.dataset import read_labels
from atrous.data.layouts import read_dataset
from tests.data.layouts.miniatures import ade20k, save_grey, values


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return ade20k(tmp_path / "set")


def test_other_is_ignored_and_values_move_down_by_one(root: Path) -> None:
    for named in (root, root / "ADEChallengeData2016"):
        dataset = read_dataset(named)
        labels = read_labels(dataset.splits["train"][0]).ravel()
        assert labels[:151].tolist() == [255, *range(150)]
    assert (dataset.classes[0], dataset.classes[12], dataset.classes[149]) == (
        "wall",
        "person",
        "flag",
    )
    assert dataset.colours[2] == (6, 230, 230)


def test_values_beyond_150_are_errors(root: Path) -> None:
    sample = read_dataset(root).splits["train"][0]
    save_grey(sample.mask, values(*range(151), 151, 255))
    findings = [p.finding for p in check(root).problems]
    assert any("mask value 151 is no class: ADE20K has 0 for 'other'" in f for f in findings)
    assert any("mask value 255 is no class" in f for f in findings)


@pytest.mark.parametrize("part", ["images", "annotations"])
def test_half_a_download_says_what_to_download(root: Path, part: str) -> None:
    shutil.rmtree(root / "ADEChallengeData2016" / part)
    with pytest.raises(AtrousError, match=f"looks like ADE20K, but has no {part}/training") as e:
        read_dataset(root)
    assert "download ADEChallengeData2016.zip" in str(e.value)


def test_without_validation_one_selects_on_a_part_of_train(root: Path) -> None:
    for kind in ("images", "annotations"):
        shutil.rmtree(root / "ADEChallengeData2016" / kind / "validation")
    report = check(root)
    assert report.errors == 0
    assert "select on a part of train" in report.problems[0].mend
