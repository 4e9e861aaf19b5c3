"""The trials of a run, best first: as records, on the terminal, and as CSV."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import Any

from atrous.core.architecture import OF_NETWORKS, key_of
from atrous.core.files import save_text
from atrous.core.trial import Failed, Outcome
from atrous.core.words import quantity
from atrous.report.front import on_front
from atrous.search.imitation import SIMILARITY
from atrous.search.ledger import Entry, Scored, scored
from atrous.search.run import Run
from atrous.search.verdict import cost_of
from atrous.spaces import view_of
from atrous.spaces.view import Observed
from atrous.tasks.task import Task

TOP = 10
HEAD = ("rank", "trial", "architecture", "origin", "outcome", "score")
FRONT = "front"
"""A column that is 1 for those on the front, 0 for the others."""
COST = ("parameters", "multiply_adds")
LENGTH = ("steps", "training_losses")


@dataclass(frozen=True)
class Row:
    """A measured trial at its rank, counted from 1 over all that were trained for as many `steps`;
    `on_front` says whether none of those surpasses it, where there are several objectives.

    `score_name` says what `score` is, `task` what else was measured; `multiply_adds` are those of
    a head on one feature map, or of trunk and head on one image; `seconds` is the time the trial
    took.
    """

    rank: int
    number: int
    architecture: str
    origin: str
    score: float
    score_name: str
    task: Task
    parameters: int
    multiply_adds: int
    seconds: float
    steps: int
    found: Scored
    on_front: bool = False

    @property
    def value(self) -> float:
        """The main value of the task."""
        return self.found.values[self.task.value]

    def objective(self, score: str) -> float:
        """The value of a score of the task, by name."""
        return self.task.objectives[score](self.found.values)

    @property
    def loss(self) -> float | None:
        """The mean loss, where it was measured."""
        return self.found.values.get(self.task.loss)

    @property
    def is_baseline(self) -> bool:
        """Whether the trial was asked for by name, not proposed by the search."""
        return self.found.trial.is_baseline

    @property
    def name(self) -> str:
        """The name of a baseline, else the architecture."""
        return self.found.trial.label if self.is_baseline else self.architecture

    @property
    def source(self) -> str:
        """Who proposed the architecture, in a word or two."""
        return "baseline" if self.is_baseline else self.origin


def leaderboard(run: Run, entries: Sequence[Entry]) -> list[Row]:
    """The measured trials, best first, higher rungs before lower; of equals, the earlier first.
    Each rung has a ranking of its own."""
    numbered = sorted(scored(entries), key=lambda found: found.trial.number)
    ordered = sorted(numbered, key=lambda found: found.standing, reverse=True)
    rungs = groupby(ordered, key=lambda found: found.standing[0])
    rows = [_row(run, rank, each) for _, rung in rungs for rank, each in enumerate(rung, 1)]
    best = on_front(run, ordered)
    return [replace(row, on_front=row.number in best) for row in rows]


def shown(rows: Sequence[Row], top: int = TOP) -> list[Row]:
    """The first `top` rows, and the baselines wherever they are."""
    return [row for place, row in enumerate(rows, 1) if place <= top or row.is_baseline]


def is_of_rungs(rows: Sequence[Row]) -> bool:
    """Whether rows were trained for several numbers of steps, so that each has to say its own."""
    return len({row.steps for row in rows}) > 1


def failures(entries: Sequence[Entry]) -> str:
    """Failed trials by reason, in a sentence; empty if none failed."""
    reasons = Counter(e.outcome.reason.value for e in entries if isinstance(e.outcome, Failed))
    listed = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common())
    return f"{quantity(reasons.total(), 'trial')} failed: {listed}." if reasons else ""


def write_csv(run: Run, entries: Sequence[Entry], path: Path) -> None:
    """All ended trials, best first and the failed ones last, with numbers unrounded.

    Raises `AtrousError` if the file cannot be written.
    """
    text = StringIO()
    found = records(run, entries)
    writer = csv.DictWriter(text, _columns(run), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    save_text(path, text.getvalue())


def _beside(run: Run) -> tuple[str, ...]:
    """Values that are kept beside the scores: costs of whole networks, likeness to an expert."""
    return (*beside_costs(run), *([SIMILARITY] if run.goal.imitate else []))


def _columns(run: Run) -> list[str]:
    task, kind = run.task, run.task.by_class.removeprefix("class_")
    head = (*HEAD, FRONT) if run.goal.wanted else HEAD
    classes = [f"{kind} {name}" for name in run.context.classes if kind]
    others = (*LENGTH, "seconds", "elapsed", "cell", "error")
    return [*head, *task.values, task.loss, *COST, *_beside(run), *others, *classes]


def records(run: Run, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """All ended trials, best first and the failed ones last, by the names of the columns."""
    task, kind = run.task, run.task.by_class.removeprefix("class_")
    names = (*task.values, task.loss)
    classes = [f"{kind} {name}" for name in run.context.classes if kind]
    beside, found = _beside(run), []
    elapsed = {entry.trial.number: entry.elapsed for entry in entries}
    for row in leaderboard(run, entries):
        measured = row.found.measured
        scores = {name: measured.values.get(name) for name in names}
        shares = dict(zip(classes, measured.details.get(task.by_class, ()), strict=True))
        line: dict[str, Any] = {"rank": row.rank, "outcome": "measured", "score": row.score}
        line |= {**scores, **shares}
        line |= {name: measured.values.get(name) for name in beside}
        line |= {FRONT: int(row.on_front)} if run.goal.wanted else {}
        line["training_losses"] = next(iter(measured.details.get("training_losses", ())), None)
        found.append(line | _known(run, measured, elapsed[row.number]))
    for entry in entries:
        if isinstance(failed := entry.outcome, Failed):
            line = {"outcome": failed.reason.value, "error": failed.error}
            found.append(line | _known(run, failed, entry.elapsed))
    order = _columns(run)
    return [{name: line.get(name) for name in order} for line in found]


def beside_costs(run: Run) -> tuple[str, ...]:
    """The costs of whole networks that a run keeps, by the names of their values."""
    return tuple(key_of(name) for name in run.goal.priced if name in OF_NETWORKS)


def _row(run: Run, rank: int, found: Scored) -> Row:
    trial = found.trial
    cost = cost_of(run, trial.architecture)
    return Row(
        rank=rank,
        number=trial.number,
        architecture=str(trial.architecture),
        origin=str(trial.origin),
        score=found.score,
        score_name=run.score,
        task=run.task,
        parameters=cost.parameters,
        multiply_adds=cost.multiply_adds,
        seconds=found.measured.seconds,
        steps=found.measured.job.steps,
        found=found,
    )


def _known(run: Run, outcome: Outcome, elapsed: float) -> dict[str, object]:
    """The columns of a trial that do not depend on how it ended."""
    trial, architecture = outcome.trial, outcome.trial.architecture
    return {
        "trial": trial.number,
        "architecture": str(architecture),
        "origin": str(trial.origin),
        **vars(cost_of(run, architecture)),
        "steps": outcome.job.steps,
        "seconds": outcome.seconds,
        "elapsed": elapsed,
        "cell": view_of(architecture).words(architecture),
    }


LEAST = 3


@dataclass(frozen=True)
class Share:
    """`hits` of `total` branches, layers or whole architectures."""

    hits: int
    total: int

    @property
    def percent(self) -> float | None:
        """The share, or `None` if there is nothing to share."""
        return 100 * self.hits / self.total if self.total else None


@dataclass(frozen=True)
class Preference:
    """How often good and bad architectures made a choice, among all their choices of one group."""

    group: str
    name: str
    good: Share
    bad: Share


@dataclass(frozen=True)
class Usage:
    """`count` good architectures against as many bad ones; `derived` good ones were proposed near
    another, so that they share choices with it. `shared` says whose shares these are."""

    count: int
    derived: int
    shared: str
    choices: tuple[Preference, ...]


def usage(measured: Sequence[Scored]) -> Usage | None:
    """The best quarter of the proposed architectures, at least 3, against the worst quarter; who
    was trained on for longer goes before who was not.

    `None` if there are too few for two groups.
    """
    proposed = [outcome for outcome in measured if not outcome.trial.is_baseline]
    ordered = sorted(proposed, key=lambda outcome: outcome.trial.number)
    ordered.sort(key=lambda outcome: outcome.standing, reverse=True)
    count = max(LEAST, len(ordered) // 4)
    if len(ordered) < 2 * count:
        return None
    good, bad = ordered[:count], ordered[-count:]
    derived = sum(not outcome.trial.is_uniform for outcome in good)
    view = view_of(good[0].trial.architecture)
    choices = _choices(view.order, _observe(good), _observe(bad))
    return Usage(count, derived, view.shared, choices)


def _observe(outcomes: Sequence[Scored]) -> Counter[Observed]:
    architectures = (outcome.trial.architecture for outcome in outcomes)
    return Counter(choice for each in architectures for choice in view_of(each).observed(each))


def _choices(
    order: Mapping[str, tuple[str, ...]], good: Counter[Observed], bad: Counter[Observed]
) -> tuple[Preference, ...]:
    found = dict.fromkeys([*good, *bad])
    groups = dict.fromkeys([*order, *(group for group, _ in found)])
    return tuple(
        Preference(group, name, _share(good, group, name), _share(bad, group, name))
        for group in groups
        if _total(good, group) + _total(bad, group)
        for name in _names(group, order.get(group, ()), found)
    )


def _names(group: str, known: tuple[str, ...], found: Iterable[Observed]) -> list[str]:
    """Those known of the group, then what else was found in it, by the number it begins with."""
    others = [name for other, name in found if other == group and name not in known]
    return [*known, *sorted(others, key=lambda name: (_leading(name), name))]


def _leading(words: str) -> int:
    first = words.partition(" ")[0]
    return int(first) if first.isdecimal() else 0


def _share(counter: Counter[Observed], group: str, name: str) -> Share:
    return Share(counter[(group, name)], _total(counter, group))


def _total(counter: Counter[Observed], group: str) -> int:
    return sum(number for (other, _), number in counter.items() if other == group)
