"""The content of a run's page, gathered from its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from atrous.core.trial import Failed
from atrous.core.words import score_name
from atrous.report import figures
from atrous.report.curves import (
    OtherRun,
    RandomLine,
    against_seconds,
    against_trials,
    expectation,
    levels,
    random_line,
)
from atrous.report.front import Front, front_figure, front_of
from atrous.report.glance import Glance, Searched, glance_of
from atrous.report.leaderboard import Row, Usage, failures, leaderboard, usage
from atrous.report.measures import Measure, TitledNetwork, judged, network_of, unjudged
from atrous.report.outcome import Outcome, trained_outcome
from atrous.report.relaxed import Relaxed, relaxed
from atrous.report.rerank import Again, SecondRanking, scatter_figure, second_ranking
from atrous.report.trained import Timetable, read_timetable, read_took, read_trained
from atrous.search.ledger import Entry, Scored, alike
from atrous.search.promotion import rung_steps
from atrous.search.run import RERANK, Run
from atrous.search.verdict import Verdict
from atrous.spaces import family_of, find_space, view_of
from atrous.spaces.view import Drawing, View

BEST = 3
ORDINALS = ("Best", "Second", "Third")
FINE_TUNED = "Best after fine-tuning"


@dataclass(frozen=True)
class Card:
    """An architecture with its drawing, if it has one."""

    title: str
    row: Row
    drawing: Drawing | None


@dataclass(frozen=True)
class Figures:
    """SVG elements; `None` where there is nothing to draw."""

    front: str | None
    trials: str | None
    seconds: str | None
    distribution: str | None
    weights: str | None


@dataclass(frozen=True)
class RankedAgain:
    """The re-ranking, its figure, and how many seconds it took."""

    second: SecondRanking
    scatter: str | None
    elapsed: float


@dataclass(frozen=True)
class Content:
    """Everything the page shows, before it is put in words.

    `view` says how the architectures of its space are shown, `is_whole` whether they are whole
    networks. `again`, `outcome` and `schedule` are those of a whole run, `None` where there is
    none; `glance` is what its top tells; `relaxed` are the supernets of a differentiable search.
    `verdict` is `None` while the best or every baseline has no score.
    """

    run: Run
    data: str
    space_title: str
    view: View
    is_whole: bool
    rows: Sequence[Row]
    entries: Sequence[Entry]
    cards: Sequence[Card]
    classes: Sequence[Measure]
    front: Front | None
    figures: Figures
    origins: dict[str, int]
    usage: Usage | None
    random: RandomLine | None
    against: str | None
    failures: str
    again: RankedAgain | None
    outcome: Outcome | None
    schedule: Timetable | None
    glance: Glance | None
    relaxed: Sequence[Relaxed]
    verdict: Verdict | None

    @property
    def recommended(self) -> TitledNetwork | None:
        """The trained network to use: that of the verdict, else the one that was found."""
        if self.outcome is None:
            return None
        named = self.verdict and network_of(
            self.outcome.networks, self.verdict.recommended.architecture
        )
        return named or self.outcome.best

    @property
    def answer(self) -> str:
        """The verdict in words, or what stands for it."""
        networks = self.outcome.networks if self.outcome else ()
        return self.verdict.words if self.verdict else unjudged(networks)

    @property
    def is_searched(self) -> bool:
        """Whether there was a search to tell of: a short run may have trained a network alone."""
        return bool(self.entries) or self.outcome is None

    @property
    def found(self) -> list[Row]:
        """The measured trials that the search proposed, best first."""
        return [row for row in self.rows if not row.is_baseline]

    @property
    def baselines(self) -> list[Row]:
        """The measured baselines, best first."""
        return [row for row in self.rows if row.is_baseline]

    @property
    def failed(self) -> int:
        """How many trials ended without a score."""
        return sum(isinstance(entry.outcome, Failed) for entry in self.entries)

    @property
    def ended(self) -> int:
        """How many trials ended, on whatever rung."""
        return len({entry.trial.number for entry in self.entries})

    @property
    def rungs(self) -> tuple[int, ...]:
        """The steps of each rung; none where all trained for as many."""
        return rung_steps(self.run.config.rungs, self.run.config.proxy.steps)

    @property
    def took(self) -> dict[str, float]:
        """The seconds that stages of a whole run took; of older runs, where the ledger tells."""
        known = {"search": self.elapsed} if self.entries else {}
        known |= {"re-rank": self.again.elapsed} if self.again else {}
        return known | read_took(self.run.path)

    @property
    def elapsed(self) -> float:
        """Seconds of search, that of supernets counted."""
        trials = max((entry.elapsed for entry in self.entries), default=0.0)
        return trials + sum(net.seconds for net in self.relaxed)


NEARLY_ALL = 0.8


def _is_random(entries: Sequence[Entry]) -> bool:
    """Whether nearly all that a search tried was drawn by chance, as all strategies begin."""
    tried = [entry.trial for entry in entries if not entry.trial.is_baseline]
    return sum(trial.is_uniform for trial in tried) > NEARLY_ALL * len(tried)


def gather(run: Run, entries: Sequence[Entry], against: OtherRun | None = None) -> Content:
    """Everything the page of a run shows; `against` is drawn beside it. Raises `AtrousError`."""
    rows = leaderboard(run, entries)
    measured = [row.found for row in rows]
    again = _again(run)
    cards = _cards(rows, again.second.winner if again else None)
    outcome = trained_outcome(read_trained(run.path), entries)
    random = random_line(run, entries, against)
    verdict = judged(run, entries, outcome.networks if outcome else ())
    space = find_space(run.config.space)
    searched = Searched(
        random,
        score_name(run.score),
        _is_random(entries),
        family_of(space.name).yardstick,
    )
    return Content(
        run=run,
        data=PurePath(run.config.data.path).name or run.config.data.path,
        space_title=space.title,
        view=view_of(space.name),
        is_whole=space.encoder is not None,
        rows=rows,
        entries=entries,
        cards=cards,
        classes=_classes(run, cards),
        front=front_of(run, rows),
        figures=_figures(run, entries, rows, against),
        origins={
            kind: len(scores) for kind, scores in figures.by_origin(alike(_found(measured))).items()
        },
        usage=usage(measured),
        random=random,
        against=against.run.path.name if against else None,
        failures=failures(entries),
        again=again,
        outcome=outcome,
        schedule=read_timetable(run.path),
        glance=glance_of(outcome, again.second if again else None, searched),
        relaxed=relaxed(run),
        verdict=verdict,
    )


def _again(run: Run) -> RankedAgain | None:
    if not (run.path / RERANK).exists():
        return None
    second = second_ranking(run)
    elapsed = max((entry.elapsed for entry in run.reranked()), default=0.0)
    return RankedAgain(second, scatter_figure(second), elapsed)


def _found(measured: Sequence[Scored]) -> list[Scored]:
    return [outcome for outcome in measured if not outcome.trial.is_baseline]


def _cards(rows: Sequence[Row], winner: Again | None) -> list[Card]:
    """The best of the search, the winner of the re-ranking if it is not one of them, baselines."""
    found = [row for row in rows if not row.is_baseline]
    titled = [*zip(ORDINALS, found, strict=False)]
    if winner:
        titled += [(FINE_TUNED, row) for row in found[BEST:] if row.number == winner.trial]
    titled += [(row.name, row) for row in rows if row.is_baseline]
    return [_card(title, row) for title, row in titled]


def _card(title: str, row: Row) -> Card:
    architecture = row.found.trial.architecture
    return Card(title, row, view_of(architecture).draw(architecture))


def _classes(run: Run, cards: Sequence[Card]) -> list[Measure]:
    row = run.task.by_class
    if not cards or not row:
        return []
    columns = zip(*(card.row.found.measured.details[row] for card in cards), strict=True)
    return [Measure(n, v) for n, v in zip(run.context.classes, columns, strict=True)]


def _figures(
    run: Run, entries: Sequence[Entry], rows: Sequence[Row], against: OtherRun | None
) -> Figures:
    found, score = _found([row.found for row in rows]), run.score
    several = front_of(run, rows)
    front = front_figure(several) if several else None
    if not found:
        return Figures(front, None, None, None, None)
    over_trials, over_seconds = (_progress(entries, against, x) for x in ("trials", "seconds"))
    return Figures(
        front=front,
        trials=figures.progress_figure(over_trials, figures.trials_axis(), score),
        seconds=figures.progress_figure(over_seconds, figures.seconds_axis(over_seconds), score),
        distribution=figures.distribution_figure(alike(found), levels(entries), score),
        weights=_weights(found[0]),
    )


def _weights(best: Scored) -> str | None:
    """How strongly the projection reads each branch, if that is known of every one."""
    branches = view_of(best.trial.architecture).branches
    read = branches(best.trial.architecture) if branches else []
    norms = [norm or 0.0 for norm in best.measured.details.get("branch_norms", ())]
    return figures.weights_figure(read, norms) if norms and len(read) == len(norms) else None


def _progress(entries: Sequence[Entry], against: OtherRun | None, x: str) -> figures.Growth:
    grow = against_trials if x == "trials" else against_seconds
    curve = grow(entries)
    if curve is None:
        raise ValueError("no proposed trial has a score")
    source = against.entries if against else entries
    other = grow(against.entries) if against else None
    return figures.Growth(curve, other, expectation(source), levels(entries))
