"""The figures."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from atrous.report import figures
from atrous.report.curves import against_seconds, against_trials, expectation, levels
from atrous.search.ledger import Scored, scored
from atrous.spaces import find_architecture
from atrous.spaces.dpc.view import branches
from tests.report.runs import baselines, failed, measured, plausible

BRANCHES = branches(find_architecture("dpc:top1"))


def _progress() -> figures.Growth:
    entries = plausible()
    curve = against_trials(entries)
    assert curve is not None
    return figures.Growth(curve, None, expectation(entries), levels(entries))


def _texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter("text")]


def _found() -> list[Scored]:
    return [found for found in scored(plausible()) if not found.trial.is_baseline]


def test_progress_names_every_line() -> None:
    texts = _texts(figures.progress_figure(_progress(), figures.trials_axis(), "miou"))
    best = max(outcome.score for outcome in _found())
    for words in (f"this run {best:.4f}", "dpc:aspp", "dpc:top1", "expected, random"):
        assert texts.count(words) == 1
    assert {"proposed trials", "best mIoU so far"} <= set(texts)


@pytest.mark.parametrize(("seconds", "unit"), [(100.0, "(s)"), (900.0, "(min)"), (1e5, "(h)")])
def test_time_has_a_unit_that_suits_it(seconds: float, unit: str) -> None:
    first = measured(2, 0.4)
    curve = against_seconds([replace(first, elapsed=seconds)])
    assert curve is not None
    assert unit in figures.seconds_axis(figures.Growth(curve, None, None, [])).label


def test_the_axis_says_what_the_score_is() -> None:
    svg = figures.progress_figure(_progress(), figures.trials_axis(), "cross-entropy")
    assert "best −cross-entropy so far" in _texts(svg)


def test_distribution_marks_best_and_baselines() -> None:
    found = _found()
    texts = _texts(figures.distribution_figure(found, levels(baselines()), "miou"))
    best = max(outcome.score for outcome in found)
    for words in (f"best found {best:.4f}", "dpc:aspp 0.4187", "dpc:top1 0.4241"):
        assert texts.count(words) == 1


def test_origins_are_counted_by_their_first_word() -> None:
    entries = [measured(0, 0.1), measured(1, 0.2, "near 0"), measured(2, 0.3, "other 1")]
    found = figures.by_origin(scored([*entries, measured(3, 0.4), failed(4)]))
    assert found == {"uniform": [0.1, 0.4], "near": [0.2], "other": [0.3]}


def test_weights_are_labelled_in_words() -> None:
    texts = _texts(figures.weights_figure(BRANCHES, (0.01, 0.02, 0.03, 0.04, 0.05)))
    assert "4: 3×3, rate 6×21, of branch 0" in texts
    assert "0.0500" in texts


def test_a_figure_is_the_same_each_time_and_fetches_nothing() -> None:
    drawn = [figures.progress_figure(_progress(), figures.trials_axis(), "miou") for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert "http" not in drawn[0]
    assert "font-family" not in drawn[0]


def test_ids_are_unique_and_all_references_are_met() -> None:
    progress = _progress()
    svgs = [
        figures.progress_figure(progress, figures.trials_axis(), "miou"),
        figures.progress_figure(progress, figures.seconds_axis(progress), "miou"),
        figures.distribution_figure(_found(), [], "miou"),
        figures.weights_figure(BRANCHES, (0.1,) * 5),
    ]
    ids = re.findall(r'\bid="([^"]+)"', "".join(svgs))
    assert len(ids) == len(set(ids)) > 20
    references = re.findall(r'(?:url\(#|href="#)([^)"]+)', "".join(svgs))
    assert set(references) <= set(ids)
    assert references


def test_drawing_leaves_matplotlib_as_it_was() -> None:
    import matplotlib

    with matplotlib.rc_context({"font.size": 33, "axes.grid": False}):
        figures.weights_figure(BRANCHES, (0.1,) * 5)
        assert matplotlib.rcParams["font.size"] == 33
        assert matplotlib.rcParams["svg.hashsalt"] is None


@pytest.mark.parametrize("score", [0.0, -1.5, 1e-9])
def test_one_score_is_drawn(score: float) -> None:
    found = scored([measured(0, score)])
    assert f"{abs(score):.4f}" in figures.distribution_figure(found, [], "miou")
