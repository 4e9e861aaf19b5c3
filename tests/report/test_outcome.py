"""The figures of a whole run."""

from __future__ import annotations

from base64 import b64decode
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from atrous.core.errors import AtrousError
from atrous.report.measures import named
from atrous.report.outcome import (
    MOST_SHEETS,
    curves_figure,
    embedded,
    middle_row,
    read_sheet,
    trained_outcome,
)
from atrous.report.rerank import scatter_figure, second_ranking
from atrous.report.trained import read_trained
from tests.report.runs import baselines, failed, make_run, measured, reranked
from tests.report.trainings import evaluation, write_pictures, write_trained

ENTRIES = [*baselines(), measured(2, 0.43), measured(3, 0.42), measured(4, 0.41)]


def _texts(svg: str) -> set[str]:
    return {element.text or "" for element in ElementTree.fromstring(svg).iter("text")}


def test_the_scatter_names_the_winner_and_the_baselines(tmp_path: Path) -> None:
    again = [baselines()[0], *(measured(n, 0.4 + n / 100, f"trial {n}") for n in (2, 3, 4))]
    run = reranked(make_run(tmp_path / "run", ENTRIES), again)
    svg = scatter_figure(second_ranking(run))
    assert svg is not None
    texts = _texts(svg)
    assert {"trial 4 0.4400", "dpc:aspp 0.4187", "proxy mIoU", "mIoU after fine-tuning"} <= texts
    assert not {text for text in texts if text.startswith(("trial 2", "trial 3", "dpc:top1"))}


def test_without_a_pair_of_scores_there_is_no_scatter(tmp_path: Path) -> None:
    run = reranked(make_run(tmp_path / "run", ENTRIES), [failed(3, origin="trial 3")])
    assert scatter_figure(second_ranking(run)) is None


def test_every_training_has_a_line_with_its_best_score(tmp_path: Path) -> None:
    for name, entry in zip(("best", "dpc-aspp"), (ENTRIES[2], ENTRIES[0]), strict=True):
        write_trained(tmp_path, name, str(entry.trial.architecture), 0.6)
    networks = named(read_trained(tmp_path), ENTRIES)
    svg = curves_figure(networks)
    assert svg is not None
    best = [max(score.value for score in n.trained.scores) for n in networks]
    assert {f"trial 2 {best[0]:.4f}", f"dpc:aspp {best[1]:.4f}"} <= _texts(svg)
    assert curves_figure([]) is None


def test_pictures_of_a_few_networks_alone_are_embedded(tmp_path: Path) -> None:
    for number in range(MOST_SHEETS + 1):
        write_trained(tmp_path, f"n{number}", str(ENTRIES[2].trial.architecture), 0.6, rows=1)
    outcome = trained_outcome(read_trained(tmp_path), ENTRIES)
    assert outcome is not None
    assert [gallery.network for gallery in outcome.galleries] == [
        f"trial 2 (n{number})" for number in range(MOST_SHEETS)
    ]
    assert {gallery.title for gallery in outcome.galleries} == {"my street, test, scale 1"}
    assert outcome.glimpse is not None
    assert outcome.glimpse.height < outcome.galleries[0].sheet.height


def test_nothing_trained_has_no_outcome(tmp_path: Path) -> None:
    assert trained_outcome(read_trained(tmp_path), ENTRIES) is None


def _sheet(folder: Path, rows: int) -> Image.Image:
    write_pictures(folder, evaluation("val", 0.6), 0.6, rows)
    return read_sheet(folder / "pictures-1.png")


@pytest.mark.parametrize(("rows", "place"), [(1, 0), (3, 1), (4, 2), (5, 2)])
def test_the_middle_row_is_that_of_the_image_in_the_middle(
    tmp_path: Path, rows: int, place: int
) -> None:
    """A sheet's rows are the same for every number of rows: the row by itself is looked for."""
    sheet = _sheet(tmp_path / "sheet", rows)
    row = middle_row(sheet)
    assert row.width == sheet.width
    assert 360 + 56 <= row.height <= 360 + 70
    height = 56 + 360 + 10
    expected = sheet.crop((0, 10 + place * height, sheet.width, 10 + place * height + 416))
    found = np.asarray(row.crop((0, 0, sheet.width, 416)), np.int16)
    assert np.array_equal(found, np.asarray(expected, np.int16))


def test_a_sheet_without_rows_is_shown_whole() -> None:
    blank = Image.new("RGB", (300, 200), "white")
    assert middle_row(blank) is blank
    thin = Image.new("RGB", (300, 200), "white")
    thin.paste("red", (0, 20, 300, 40))
    assert middle_row(thin) is thin


def test_an_embedded_picture_is_small_and_looks_the_same(tmp_path: Path) -> None:
    sheet = _sheet(tmp_path / "sheet", 3)
    picture = embedded(sheet)
    kind, content = picture.uri.split(",")
    assert kind == "data:image/jpeg;base64"
    assert len(content) < 400_000
    with Image.open(BytesIO(b64decode(content))) as image:
        assert image.size == (picture.width, picture.height) == (1280, picture.height)
        shown = np.asarray(image.convert("RGB"), np.int16)
    truth = np.asarray(sheet.resize(image.size, Image.Resampling.BOX), np.int16)
    assert np.abs(shown - truth).mean() < 6


def test_a_small_picture_is_not_enlarged() -> None:
    picture = embedded(Image.new("RGB", (40, 30)))
    assert (picture.width, picture.height) == (40, 30)


def test_a_damaged_sheet_is_told(tmp_path: Path) -> None:
    (tmp_path / "pictures-1.png").write_bytes(b"no picture")
    with pytest.raises(AtrousError, match=r"Expected pictures in .*pictures-1\.png"):
        read_sheet(tmp_path / "pictures-1.png")
