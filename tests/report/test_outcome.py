"""The figures of a whole run."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from atrous.report.networks import named
from atrous.report.outcome import MOST_SHEETS, outcome_of
from atrous.report.rerank import second_ranking
from atrous.report.scatter import scatter_figure
from atrous.report.trained import read_trained
from atrous.report.training_curves import curves_figure
from tests.report.runs import baselines, failed, make_run, measured, reranked
from tests.report.trainings import write_trained

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
    best = [max(score.miou for score in n.trained.scores) for n in networks]
    assert {f"trial 2 {best[0]:.4f}", f"dpc:aspp {best[1]:.4f}"} <= _texts(svg)
    assert curves_figure([]) is None


def test_pictures_of_a_few_networks_alone_are_embedded(tmp_path: Path) -> None:
    for number in range(MOST_SHEETS + 1):
        write_trained(tmp_path, f"n{number}", str(ENTRIES[2].trial.architecture), 0.6, rows=1)
    outcome = outcome_of(read_trained(tmp_path), ENTRIES)
    assert outcome is not None
    assert [gallery.network for gallery in outcome.galleries] == [
        f"trial 2 (n{number})" for number in range(MOST_SHEETS)
    ]
    assert {gallery.title for gallery in outcome.galleries} == {"my street, test, scale 1"}
    assert outcome.glimpse is not None
    assert outcome.glimpse.height < outcome.galleries[0].sheet.height


def test_nothing_trained_has_no_outcome(tmp_path: Path) -> None:
    assert outcome_of(read_trained(tmp_path), ENTRIES) is None
