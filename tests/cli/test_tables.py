"""A comparison on the terminal: every seed counts, and what is missing is told."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from atrous.cli.tables import comparison_table as render
from atrous.core.trial import Failed, Reason
from atrous.stages.compare import Comparison, Replicate, replicate_trials
from tests.records import SPACE, job

TOP1, ASPP = (SPACE.architecture(SPACE.published[name]) for name in ("top1", "aspp"))
TRIALS = replicate_trials([TOP1, ASPP], seeds=3, avoid=0)
WHOLE = Comparison(
    names={"best": str(TOP1), "dpc:aspp": str(ASPP)},
    splits=("val", "test"),
    seeds=3,
    replicates=[
        Replicate(str(t.architecture), t.seed, split, "", {"miou": 0.5 + shift + t.number / 100})
        for t in TRIALS
        for split, shift in (("val", 0.0), ("test", 0.1))
    ],
    left_out=[],
    value="miou",
)


def lines_of(comparison: Comparison) -> list[str]:
    """The printed lines, each with its cells apart by one space."""
    console = Console(width=120)
    with console.capture() as captured:
        console.print(render(comparison))
    return [" ".join(line.replace("│", " ").split()) for line in captured.get().splitlines()]


def without(*left_out: Failed) -> Comparison:
    """The comparison with failed trials in the place of their replicates."""
    gone = {(str(f.trial.architecture), f.trial.seed) for f in left_out}
    kept = [r for r in WHOLE.replicates if (r.architecture, r.seed) not in gone]
    return replace(WHOLE, replicates=kept, left_out=left_out)


def failed(number: int) -> Failed:
    return Failed(
        job(TRIALS[number], 7), Reason.NON_FINITE, "Training diverged [/red]: why. Lower --rate."
    )


def test_means_and_differences_with_their_seeds() -> None:
    found = lines_of(WHOLE)
    assert "best 3 52.00 [47.03, 56.97] 62.00 [57.03, 66.97]" in found
    assert "dpc:aspp 3 53.00 [48.03, 57.97] 63.00 [58.03, 67.97]" in found
    assert "best - dpc:aspp 3 -1.00 [-1.00, -1.00] -1.00 [-1.00, -1.00]" in found
    assert not any("Left out" in line for line in found)


def test_what_was_left_out_is_told_and_not_counted() -> None:
    found = lines_of(without(failed(3)))
    assert any(line.startswith("dpc:aspp 2 of 3 53.00 [") for line in found)
    assert any(line.startswith("best - dpc:aspp 2 of 3 -1.00 [") for line in found)
    assert any(line.startswith("best 3 52.00 [") for line in found)
    assert found[-2:] == [
        "Left out, and tried again when you ask again:",
        "dpc:aspp with seed 1001, non-finite: Training diverged [/red]: why. Lower --rate.",
    ]


def test_a_single_seed_has_no_interval_and_none_no_mean() -> None:
    assert "dpc:aspp 1 of 3 51.00 61.00" in lines_of(without(failed(3), failed(5)))
    found = lines_of(without(failed(1), failed(3), failed(5)))
    assert "dpc:aspp 0 of 3 none none" in found
    assert "best - dpc:aspp 0 of 3 none none" in found


def test_one_architecture_under_two_names_is_told_with_both() -> None:
    names = {"best": str(ASPP), "dpc:aspp": str(ASPP)}
    found = lines_of(replace(without(failed(1)), names=names))
    assert found[-1].startswith("best = dpc:aspp with seed 1000, non-finite: ")
