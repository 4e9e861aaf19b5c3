"""What is written into the folder, and shown on the terminal."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from atrous.stages.fidelity.result import StudyResult, gather
from atrous.stages.fidelity.study import all_cells
from atrous.stages.fidelity.summary import (
    SUMMARY,
    markdown,
    picture_name,
    render,
    scatter,
    write_summary,
)
from tests.stages.fidelity.studies import fill, new_study

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    """31 cells; the order of both small settings is the same, the large one's nearly so."""
    study = new_study(tmp_path_factory.mktemp("study"))
    names = list(all_cells())
    scores = {name: 0.3 + 0.01 * number for number, name in enumerate(names)}
    fill(study, "cached", dict(scores), 2.0)
    fill(study, "end-to-end", {name: score + 0.1 for name, score in scores.items()}, 30.0)
    fill(study, "large", dict(zip(names[::-1][:30], scores.values(), strict=False)), 500.0)
    return gather(study)


def test_every_picture_is_a_file_that_stands_alone(found: StudyResult) -> None:
    for agreement in found.agreements:
        text = scatter(agreement, "xception65")
        root = ElementTree.fromstring(text)
        assert root.tag == f"{SVG}svg"
        assert "var(" not in text
        words = "".join(root.itertext())
        assert "mIoU, small backbone" in words
        assert "ASPP" in words
        assert ("published" in words) == (agreement.pair.published is not None)
        marks = [u for g in root.iter(f"{SVG}g") if "PathCollection" in g.get("id", "") for u in g]
        assert sum(len(list(mark.iter(f"{SVG}use"))) for mark in marks) == len(agreement.cells)


def test_the_same_result_gives_the_same_picture(found: StudyResult) -> None:
    assert scatter(found.agreements[0], "x") == scatter(found.agreements[0], "x")


def test_the_summary_says_it_all(found: StudyResult) -> None:
    text = markdown(found)
    assert "31 cells on /data/streets, scored on the val split" in text
    assert "1 trials have not ended" in text
    assert (
        "| (b) | small backbone, cached / small backbone, end to end | 31 | 1.00 [1.00, 1.00] |"
        in text
    )
    assert re.search(r"\| \(a\) \|.*\| 30 \| −1.00 \[.*\| 0\.36 \|", text)
    assert "| large | xception65, end to end, 200 steps | 500.0 | 250.0 | 2 |" in text
    assert "| 1x1 | `dpc-1:0.0` | 0.3000 | 0.4000 |  |" in text
    assert len(re.findall(r"\| `dpc", text)) == 31
    assert "Failed" not in text


def test_failures_are_told(tmp_path: Path) -> None:
    study = new_study(tmp_path)
    fill(study, "cached", {"r6": None})
    assert "## Failed trials\n\n- r6, cached: out of memory" in markdown(gather(study))


def test_pictures_and_text_are_in_the_folder(found: StudyResult, tmp_path: Path) -> None:
    assert write_summary(found, tmp_path) == tmp_path / SUMMARY
    pictures = {picture_name(agreement) for agreement in found.agreements}
    assert pictures == {"end-to-end-large.svg", "cached-end-to-end.svg", "cached-large.svg"}
    assert {path.name for path in tmp_path.iterdir()} == {SUMMARY} | pictures
    linked = re.findall(r"\]\((.+?)\)", (tmp_path / SUMMARY).read_text())
    assert set(linked) == pictures


def test_with_hardly_a_score_there_is_text_and_no_picture(tmp_path: Path) -> None:
    study = new_study(tmp_path / "study")
    fill(study, "cached", {"1x1": 0.5, "r6": 0.6})
    fill(study, "end-to-end", {"1x1": 0.5, "r6": 0.6})
    (tmp_path / "out").mkdir()
    write_summary(gather(study), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [SUMMARY]
    assert "| 2 | 1.00 | 0.47 |" in (tmp_path / "out" / SUMMARY).read_text()


def test_the_terminal_shows_it_in_80_columns(found: StudyResult) -> None:
    console = Console(width=80, record=True, file=None)
    with console.capture() as captured:
        console.print(render(found))
    text = captured.get()
    assert "(b) cached, end-to-end" in text
    assert "1.00 [1.00, 1.00]" in text
    assert "0.47" in text
    assert "1x1+r6+r12+r18+pool" in text
    assert "…" not in text
