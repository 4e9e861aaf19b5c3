"""What the top of a whole run's page tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from atrous.core.trial import REPLICATE, Job, Measured, Origin, Rung, Trial
from atrous.core.words import points, told
from atrous.report.content import gather
from atrous.report.glance import NOT_MEASURED, Glance
from atrous.report.page import answer, render_page
from atrous.search.ledger import Entry
from atrous.search.run import Run
from tests.records import SPACE
from tests.report.runs import make_run, measured, plausible, reranked
from tests.report.trainings import write_trained


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A search whose trial 40 is best."""
    return make_run(tmp_path / "run", plausible(), select_on="val")


def _architecture(run: Run, number: int) -> str:
    return str(run.ledger().entries()[number].trial.architecture)


def _glance(run: Run) -> Glance:
    glance = gather(run, run.ledger().entries()).glance
    assert glance is not None
    return glance


def _tiles(run: Run) -> dict[str, tuple[str, str]]:
    return {tile.name: (tile.value, tile.note) for tile in _glance(run).tiles}


def test_everything_that_was_measured_is_told(run: Run) -> None:
    write_trained(run.path, "best", _architecture(run, 40), 0.61, rows=1)
    write_trained(run.path, "dpc-aspp", _architecture(run, 0), 0.58)
    mine, its = (
        json.loads((run.path / "trained" / name / "model" / "evaluation.json").read_text())[1]
        for name in ("best", "dpc-aspp")
    )
    tiles = _tiles(run)
    assert tiles["Found"] == ("Trial 40", "by its proxy score; not ranked again")
    assert tiles["mIoU on test"] == (
        f"{told(mine['miou'], 'miou')} %",
        "on 73 images that it has not seen",
    )
    assert tiles["Against dpc:aspp"] == (
        points(mine["miou"] - its["miou"], "miou"),
        f"points of mIoU; it has {told(its['miou'], 'miou')} %, trained alike",
    )
    assert tiles["Parameters"] == ("3.55 M", "of the whole network")
    assert tiles["Multiply-adds"] == ("1.91 G", "for 361 × 481 pixels")
    assert tiles["Latency"][0] == "23 ms [22, 24]"
    assert tiles["Latency"][1].startswith(
        "median and quartiles, onnxruntime 1.31.0, float32, batch 1, 361 × 481 pixels"
    )
    assert "over that expected of its own random trials" in tiles["Against random search"][1]
    glance = _glance(run)
    assert glance.drawing is not None
    assert glance.glimpse is not None


def test_the_winner_of_a_re_ranking_says_where_it_stood(run: Run) -> None:
    again = [measured(40, 0.5, "trial 40"), measured(16, 0.6, "trial 16")]
    write_trained(run.path, "best", _architecture(run, 16), 0.61)
    tiles = _tiles(reranked(run, again))
    assert tiles["Found"] == ("Trial 16", "1st after fine-tuning, 4th by the proxy")


def test_a_loss_against_aspp_is_told_with_its_sign(run: Run) -> None:
    write_trained(run.path, "best", _architecture(run, 40), 0.5)
    write_trained(run.path, "dpc-aspp", _architecture(run, 0), 0.6, steps=500)
    value, note = _tiles(run)["Against dpc:aspp"]
    assert value.startswith("−")
    assert note.endswith("trained with other steps")


def test_what_is_missing_is_not_invented(run: Run) -> None:
    folder = write_trained(run.path, "best", _architecture(run, 40), 0.6)
    for name in ("model.json", "evaluation.json"):
        (folder / "model" / name).unlink()
    (folder / "latency.json").unlink()
    tiles = _tiles(run)
    for name in ("mIoU", "Against dpc:aspp", "Parameters", "Multiply-adds", "Latency"):
        assert tiles[name][0] == NOT_MEASURED


def test_a_score_on_images_that_chose_is_called_so(run: Run) -> None:
    folder = write_trained(run.path, "best", _architecture(run, 40), 0.6)
    path = folder / "model" / "evaluation.json"
    path.write_text(json.dumps(json.loads(path.read_text())[:1]))
    assert _tiles(run)["mIoU on val"][1] == "on 73 images that it was chosen by"


def test_a_random_search_is_not_compared_with_itself(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", plausible(local=False), strategy="random")
    write_trained(run.path, "best", _architecture(run, 40), 0.6)
    assert "Against random search" not in _tiles(run)


def test_without_a_network_that_the_search_found_there_is_nothing_to_tell(run: Run) -> None:
    write_trained(run.path, "dpc-aspp", _architecture(run, 0), 0.6)
    write_trained(run.path, "dpc-top1", _architecture(run, 1), 0.6)
    content = gather(run, run.ledger().entries())
    assert content.outcome is not None
    assert content.glance is None


def test_a_baseline_that_alone_was_trained_is_told_of(run: Run) -> None:
    write_trained(run.path, "dpc-aspp", _architecture(run, 0), 0.6)
    tiles = _tiles(run)
    assert tiles["Trained"] == ("dpc:aspp", "a well-known network, by itself")
    assert not {"Found", "Against random search", "Against dpc:aspp"} & set(tiles)
    assert gather(run, run.ledger().entries()).recommended


def test_what_is_not_shown_to_be_better_is_not_what_the_page_says_to_use(run: Run) -> None:
    """Of the two baselines, top1 is the cheaper; 38 trials spread too far to tell."""
    write_trained(run.path, "best", _architecture(run, 40), 0.75)
    write_trained(run.path, "dpc-top1", _architecture(run, 1), 0.58)
    content = gather(run, run.ledger().entries())
    assert content.verdict is not None
    assert content.verdict.evidence[0].margin > 0
    assert content.recommended is not None
    assert content.recommended.title == "dpc:top1"
    page = render_page(content)
    assert "Trial 40 is no different from dpc:top1, the best fixed rival at its cost" in page
    assert "<h3>Use dpc:top1</h3>" in page
    assert "atrous predict trained/dpc-top1/model" in page
    assert answer(run).model == run.path / "trained/dpc-top1/model"


def test_what_fresh_seeds_show_to_be_better_is_what_the_page_says_to_use(run: Run) -> None:
    write_trained(run.path, "best", _architecture(run, 40), 0.75)
    write_trained(run.path, "dpc-top1", _architecture(run, 1), 0.58)
    best, plain = (run.ledger().entries()[n].trial.architecture for n in (40, 1))
    scores = [(best, 1000, 0.5), (plain, 1000, 0.4), (best, 1001, 0.52), (plain, 1001, 0.41)]
    ledger = run.comparison()
    for number, (architecture, seed, score) in enumerate(scores):
        trial = Trial(number, architecture, Origin(REPLICATE, note={"test": "data"}), seed)
        outcome = Measured(Job(trial, Rung(0, 4)), {"test miou": score}, {}, 1.0)
        ledger.record(Entry(outcome, score, 1.0), SPACE.widths(architecture.genotype))
    page = render_page(gather(run, run.ledger().entries()))
    assert "Trial 40 is better than dpc:top1, the best fixed rival at its cost: " in page
    assert "with 2 fresh seeds each, on test" in page
    assert "<h3>Use trial 40</h3>" in page
    assert answer(run).model == run.path / "trained/best/model"
