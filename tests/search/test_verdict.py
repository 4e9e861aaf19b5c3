"""Who is crowned: only what is shown to be better than a fixed rival, beyond chance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from atrous.core.statistics import chance_margin
from atrous.core.trial import REPLICATE, Job, Measured, Origin, Rung, Trial
from atrous.core.words import count
from atrous.search.ledger import Entry
from atrous.search.run import HELD_BACK, Run, winner
from atrous.search.verdict import (
    Evidence,
    Verdict,
    cheapest_baseline,
    cost_of,
    rival_of,
    verdict_of,
)
from atrous.spaces import find_architecture, find_space
from tests.report.runs import make_run, measured, reranked

NAMES = ("dpc:1x1", "dpc:aspp", "dpc:top1")
SCORES = (0.42, 0.40, 0.43, 0.41, 0.44, 0.42, 0.43)
"""Of seven proposed trials, the first of which has the number 2."""


def baseline(number: int, score: float, name: str = "dpc:1x1") -> Entry:
    found = measured(number, score, f"baseline {name}")
    return _of(found, replace(found.trial, architecture=find_architecture(name)))


def _of(entry: Entry, trial: Trial) -> Entry:
    return replace(
        entry, outcome=replace(entry.outcome, job=replace(entry.outcome.job, trial=trial))
    )


def search(path: Path, plain: float, **asked: Any) -> Run:
    """A run whose best is trial 6."""
    proposed = [measured(number, score) for number, score in enumerate(SCORES, 2)]
    entries = [baseline(0, plain), baseline(1, 0.43, "dpc:aspp"), *proposed]
    return make_run(path / "run", entries, baselines=NAMES, **asked)


def compared(run: Run, margins: list[float], split: str = "test", plain: float = 0.4) -> Run:
    """The run with a replicate of its best and one of the plain cell for each margin."""
    best = next(entry.trial for entry in run.ledger().entries() if entry.trial.number == 6)
    ledger, number = run.comparison(), len(run.compared())
    for seed, margin in enumerate(margins, 1000):
        pairs = ((best.architecture, plain + margin), (find_architecture("dpc:1x1"), plain))
        for architecture, score in pairs:
            trial = Trial(number, architecture, Origin(REPLICATE, note={split: "data"}), seed)
            outcome = Measured(Job(trial, Rung(0, 4)), {f"{split} miou": score}, {}, 1.0)
            space = find_space(architecture.space)
            ledger.record(Entry(outcome, score, 1.0), space.widths(architecture.genotype))
            number += 1
    return run


def verdict(run: Run) -> Verdict:
    found = verdict_of(run, run.ledger().entries())
    assert found is not None
    return found


def test_one_1x1_convolution_is_the_cheapest_baseline_of_its_family(tmp_path: Path) -> None:
    found = cheapest_baseline(search(tmp_path, 0.4))
    assert found is not None
    assert (found.name, str(found.architecture)) == ("dpc:1x1", "dpc-1:0.0")


def test_a_best_within_the_spread_is_not_crowned(tmp_path: Path) -> None:
    """Seven scores with a deviation of 0.0135 allow a margin of 0.065 by chance."""
    found = verdict(search(tmp_path, 0.40))
    (told,) = found.evidence
    assert told.margin == pytest.approx(0.04)
    assert (told.low, told.high) == pytest.approx((-0.0249, 0.1049), abs=1e-4)
    assert not found.is_better
    assert found.recommended.name == "dpc:1x1"
    cost = found.found.cost.multiply_adds, found.rival.cost.multiply_adds
    assert found.words == (
        "Trial 6 is no different from dpc:1x1, the best fixed rival at its cost: +4.0 points of "
        "mIoU [−2.5, +10.5] by the spread of the 7 proposed, one seed each. "
        f"Recommended: dpc:1x1. They cost {count(cost[0])} and {count(cost[1])} multiply-adds."
    )


def test_a_best_beyond_the_spread_is_crowned(tmp_path: Path) -> None:
    found = verdict(search(tmp_path, 0.3))
    assert found.is_better
    assert found.recommended.name == "trial 6"
    assert "Trial 6 is better than dpc:1x1, the best fixed rival at its cost: +14.0" in found.words


def test_the_rival_is_the_best_that_costs_no_more_the_cheapest_where_all_do(tmp_path: Path) -> None:
    run = search(tmp_path, 0.40)
    entries = run.ledger().entries()
    by_cost = sorted(
        NAMES[:2], key=lambda name: cost_of(run, find_architecture(name)).multiply_adds
    )
    assert by_cost == ["dpc:1x1", "dpc:aspp"]
    for found, expected in (("dpc:1x1", "dpc:1x1"), ("dpc:aspp", "dpc:aspp")):
        rival = rival_of(run, entries, find_architecture(found))
        assert rival is not None
        assert rival.name == expected
    dear = [baseline(1, 0.43, "dpc:aspp"), measured(2, 0.4)]
    told = rival_of(make_run(tmp_path / "dear", dear), dear, find_architecture("dpc:1x1"))
    assert told is not None
    assert told.name == "dpc:aspp"


def test_the_second_ranking_goes_before_the_first(tmp_path: Path) -> None:
    again = [baseline(0, 0.5), *(measured(n, s, f"trial {n}") for n, s in ((6, 0.4), (4, 0.41)))]
    run = reranked(search(tmp_path, 0.3), [])
    ledger = run.second_ledger()
    for entry in again:
        space = find_space(entry.trial.architecture.space)
        ledger.record(entry, space.widths(entry.trial.architecture.genotype))
    found = verdict(run)
    assert found.found.name == "trial 4"
    assert found.evidence[0].margin == pytest.approx(-0.09)
    assert found.evidence[0].low is None
    assert "nothing tells how much of that is chance" in found.words
    assert found.recommended.name == "dpc:1x1"


@pytest.mark.parametrize(
    ("score", "named"), [("miou", "mIoU"), ("blend", "blend"), ("cross-entropy", "mIoU")]
)
def test_the_second_ranking_is_told_by_its_own_score(
    score: str, named: str, tmp_path: Path
) -> None:
    run = reranked(search(tmp_path, 0.3, objective=(score,)), [])
    ledger = run.second_ledger()
    for entry in (baseline(0, 0.5), measured(6, 0.4, "trial 6")):
        space = find_space(entry.trial.architecture.space)
        ledger.record(entry, space.widths(entry.trial.architecture.genotype))
    assert verdict(run).evidence[0].score == named


def test_fresh_seeds_go_before_everything(tmp_path: Path) -> None:
    found = verdict(compared(search(tmp_path, 0.4), [0.02, 0.021, 0.019]))
    (told,) = found.evidence
    assert told.basis == "with 3 fresh seeds each, on test"
    assert told.margin == pytest.approx(0.02)
    assert told.low == pytest.approx(0.02 - 0.00248, abs=1e-5)
    assert found.is_better
    doubtful = verdict(compared(search(tmp_path / "other", 0.3), [0.05, -0.03, 0.01]))
    assert not doubtful.is_better
    assert doubtful.recommended.name == "dpc:1x1"


def test_a_single_fresh_seed_tells_nothing_of_chance(tmp_path: Path) -> None:
    found = verdict(compared(search(tmp_path, 0.4), [0.3]))
    assert "proposed" in found.evidence[0].basis


def test_images_that_chose_nothing_go_before_those_that_did(tmp_path: Path) -> None:
    run = search(tmp_path, 0.4, select_on="val")
    run = compared(compared(run, [0.1, 0.1], "val"), [0.0, 0.01], "test")
    assert "on test" in verdict(run).evidence[0].basis


def test_a_network_that_lost_when_it_was_trained_is_not_crowned(tmp_path: Path) -> None:
    found = verdict(search(tmp_path, 0.3))
    assert found.is_better
    lost = Evidence(-0.01, -0.03, 0.01, "on 72 images of test, one training each", "mIoU")
    found = replace(found, evidence=(lost, *found.evidence))
    assert not found.is_better
    assert not found.is_worse
    assert "−1.0 points of mIoU [−3.0, +1.0] on 72 images of test, one" in found.words


def test_a_cheaper_best_is_recommended_unless_it_is_worse(tmp_path: Path) -> None:
    found = verdict(search(tmp_path, 0.4))
    dear = replace(found.rival, cost=replace(found.found.cost, multiply_adds=10**12))
    assert replace(found, rival=dear).recommended == found.found
    assert "the cheapest fixed rival" in replace(found, rival=dear).words
    told = Evidence.within(-0.2, 0.1, "by the spread", "mIoU")
    worse = replace(found, rival=dear, evidence=(told,))
    assert worse.is_worse
    assert worse.recommended == dear


def test_without_a_baseline_or_a_best_there_is_no_verdict(tmp_path: Path) -> None:
    entries = [measured(number, score) for number, score in enumerate(SCORES, 2)]
    assert verdict_of(make_run(tmp_path / "alone", entries), entries) is None
    only = [baseline(0, 0.4)]
    assert verdict_of(make_run(tmp_path / "plain", only), only) is None


@pytest.mark.parametrize("candidates", [3, 10, 60])
def test_chance_exceeds_the_margin_in_one_case_of_20_at_most(candidates: int) -> None:
    rng, cases = Random(candidates), 2000
    draws = [[rng.gauss(0, 1) for _ in range(candidates + 1)] for _ in range(cases)]
    margins = [(max(scores) - plain, chance_margin(scores)) for plain, *scores in draws]
    share = sum(found > (allowed or 0) for found, allowed in margins) / cases
    assert 0.005 < share < 0.06
    assert chance_margin([0.1, 0.2]) is None


def read_again(run: Run, scores: dict[int, list[float]], plain: list[float]) -> Run:
    """The run with trials and the plain cell read again on images that chose nothing."""
    trials = {e.trial.number: e.trial.architecture for e in run.ledger().entries()}
    rows = {trials[number]: each for number, each in scores.items()}
    rows[find_architecture("dpc:1x1")] = plain
    readings = [(a, seed, s) for a, row in rows.items() for seed, s in enumerate(row, 1000)]
    for number, (architecture, seed, score) in enumerate(readings):
        trial = Trial(number, architecture, Origin(REPLICATE, note={HELD_BACK: "data"}), seed)
        outcome = Measured(Job(trial, Rung(0, 4)), {f"{HELD_BACK} miou": score}, {}, 1.0)
        widths = find_space(architecture.space).widths(architecture.genotype)
        run.comparison().record(Entry(outcome, score, 1.0), widths)
    return run


def test_the_best_of_those_read_again_is_found_with_its_probability(tmp_path: Path) -> None:
    """Trial 6 scored highest in the search; trial 4 does when both are read again."""
    scores = {6: [0.41, 0.42, 0.43], 4: [0.44, 0.455, 0.46]}
    run = read_again(search(tmp_path, 0.42), scores, [0.40, 0.415, 0.42])
    found = verdict(run)
    assert winner(run).number == 4
    assert found.found.name == "trial 4"
    told = found.rereading
    assert told is not None
    assert [each.contender.name for each in told.read] == ["trial 4", "trial 6", "dpc:1x1"]
    assert told.best.chance > 0.95
    assert sum(each.chance for each in told.read) == pytest.approx(1)
    assert found.is_better
    assert "Of 3 that were read again (3 fresh seeds each, on selection images" in found.words
    assert found.recommended.name == told.cheapest.contender.name == "trial 4"


@pytest.mark.parametrize(("prefer", "named"), [("score", "trial 4"), ("cost", "dpc:1x1")])
def test_score_or_cost_is_preferred_among_those_not_shown_worse(
    tmp_path: Path, prefer: str, named: str
) -> None:
    scores = {6: [0.42, 0.40, 0.45], 4: [0.44, 0.42, 0.43]}
    run = read_again(search(tmp_path, 0.42, prefer=prefer), scores, [0.40, 0.43, 0.42])
    told = verdict(run)
    assert told.rereading is not None
    assert not told.is_better
    assert told.rereading.preferred(prefer).name == named
    assert told.recommended.name == "dpc:1x1"
    assert "dpc:1x1 is the cheapest that is not shown worse" in told.words
