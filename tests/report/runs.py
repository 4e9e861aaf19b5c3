"""Runs with made-up scores for real cells, the same every time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from atrous.core.architecture import Architecture
from atrous.core.options import replaced
from atrous.core.trial import Failed, Reason, Trial
from atrous.search.ledger import Entry
from atrous.search.run import LEDGER, RERANK, SECOND, Run, create_run
from atrous.spaces import find_space
from atrous.spaces.dpc.cell import FEATURES, SeparableConvolution
from atrous.spaces.dpc.space import decode
from tests import records
from tests.records import SPACE

CLASSES = ("road", "building", "<b>sky</b>", "tree & bush", "person", "bicyclist")
CONFIG = replaced(records.CONFIG, data="/data/my street", select_on="0.2", trials=40)
SETTINGS = replace(records.SETTINGS, crop=(368, 480))
CONTEXT = replace(
    records.CONTEXT,
    classes=CLASSES,
    training_images=294,
    selection_images=73,
    maps={16: (320, 23, 30)},
    versions={"atrous": "0.1.0", "torch": "2.13.0", "timm": "1.0.31"},
)
PROTOCOL = {"steps": 1000, "batch": 8, "crop": [361, 481]}


def a_run(**asked: Any) -> Run:
    """A run that is not on disk; `asked` replaces parts of the usual configuration."""
    return Run(Path("runs/this"), replace(SETTINGS, config=replaced(CONFIG, **asked)), CONTEXT)


WRITTEN: dict[str, bytes] = {}
"""The ledger of each list of entries, which takes long to write."""


def make_run(path: Path, entries: Iterable[Entry] = (), **asked: Any) -> Run:
    """A run folder with these entries; `asked` replaces parts of the usual configuration."""
    run, listed = create_run(path, a_run(**asked).settings, CONTEXT), list(entries)
    if written := WRITTEN.get(repr(listed)):
        (path / LEDGER).write_bytes(written)
        return run
    ledger = run.ledger()
    for entry in listed:
        architecture = entry.trial.architecture
        ledger.record(entry, find_space(architecture.space).widths(architecture.genotype))
    WRITTEN[repr(listed)] = (path / LEDGER).read_bytes()
    return run


def reranked(run: Run, entries: Iterable[Entry]) -> Run:
    """The run with these entries ranked again."""
    protocol = {**PROTOCOL, "score": run.task.end_to_end(run.score)}
    (run.path / RERANK).write_text(json.dumps({"format": 1, "trials": [], "protocol": protocol}))
    ledger = run.begin_ledger(SECOND)
    for entry in entries:
        ledger.record(entry, SPACE.widths(entry.trial.architecture.genotype))
    return run


def measured(number: int, score: float, origin: str = "uniform", name: str = "") -> Entry:
    """A measured trial of a published cell, or of one drawn by its number."""
    genotype = SPACE.published[name] if name else SPACE.sample(Random(number))
    trial = Trial(number, Architecture("dpc", genotype), records.origin(origin), 3)
    scores = (score, score + 0.11, score + 0.38, score + 0.25)
    metrics = records.scored_by(
        scores, 1.25 - score, _class_iou(score, number), _norms(genotype, number)
    )
    seconds = 10.0 + number % 7
    return records.entry_of(records.job(trial), metrics, 6.5 * (number + 1), seconds)


def failed(number: int, reason: Reason = Reason.NON_FINITE, origin: str = "uniform") -> Entry:
    """A failed trial."""
    architecture = Architecture("dpc", SPACE.sample(Random(number)))
    job = records.job(Trial(number, architecture, records.origin(origin), 3))
    error = "the loss <is> not finite at step 12"
    return Entry(Failed(job, reason, error, 2.0), None, 6.5 * number)


def baselines() -> list[Entry]:
    """The published cells as the first two trials."""
    return [
        measured(0, 0.4187, "baseline dpc:aspp", "aspp"),
        measured(1, 0.4241, "baseline dpc:top1", "top1"),
    ]


def plausible(count: int = 40, local: bool = True) -> list[Entry]:
    """Baselines, then `count` proposed trials, two of them failed; local ones improve."""
    rng, entries = Random(11), baselines()
    for number in range(2, 2 + count):
        near = local and number > 11 and number % 3 != 0
        if number in (9, 23):
            entries.append(failed(number, Reason.NON_FINITE if number == 9 else Reason.ERROR))
            continue
        score = 0.385 + 0.02 * _merit(number) + rng.gauss(0, 0.008)
        score += (0.018 + 0.0002 * number) if near else 0
        entries.append(
            measured(number, round(score, 5), f"near {number - 5}" if near else "uniform")
        )
    return entries


def _merit(number: int) -> float:
    """Cells with more separable convolutions of large rates on the feature map score better."""
    cell = decode(SPACE.sample(Random(number)))
    separable = [b.operation for b in cell if isinstance(b.operation, SeparableConvolution)]
    return 0.2 * len(separable) + 0.1 * sum(branch.input == FEATURES for branch in cell)


def _class_iou(score: float, number: int) -> tuple[float | None, ...]:
    rng = Random(100 + number)
    spread = (0.45, 0.3, 0.4, 0.2, -0.1)
    return (*(min(0.97, score + s + rng.gauss(0, 0.02)) for s in spread), None)


def _norms(genotype: tuple[int, ...], number: int) -> tuple[float, ...]:
    rng = Random(200 + number)
    return tuple(rng.uniform(0.01, 0.06) for _ in decode(genotype))
