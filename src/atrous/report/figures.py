"""The figures of a report. Each function gives an SVG element for the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atrous.core.drawing import (
    BLUE,
    GREEN,
    INK,
    LINE,
    MUTED,
    ORANGE,
    Label,
    draw,
    dress_lines,
    whole_numbers,
)
from atrous.core.words import decimal, score_name
from atrous.report.curves import Curve, Expectation, Level
from atrous.search.ledger import Scored
from atrous.spaces.view import Branch

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 450.0, 300.0
LETTER, MARGIN = 7.0, 40.0
NAME = 16
UNITS = ((2 * 3600, 3600, "h"), (180, 60, "min"), (0, 1, "s"))
KINDS = ("uniform", "near")
KIND_COLOURS = {"uniform": ORANGE, "near": BLUE}


@dataclass(frozen=True)
class Growth:
    """The growth of the best score, as it is drawn; `other` is the run compared with."""

    curve: Curve
    other: Curve | None
    expectation: Expectation | None
    levels: Sequence[Level]


@dataclass(frozen=True)
class Axis:
    """A horizontal axis: what it counts, in units of `unit`. The n-th uniform trial ends at
    `start` + n * `pace`."""

    name: str
    label: str
    unit: float
    start: float
    pace: float


def trials_axis() -> Axis:
    """Counts proposed trials."""
    return Axis("trials", "proposed trials", 1, 0, 1)


def seconds_axis(progress: Growth) -> Axis:
    """Counts time since the search began, in a unit that suits its length."""
    end = max(progress.curve.end, progress.other.end if progress.other else 0)
    unit, word = next((unit, word) for least, unit, word in UNITS if end >= least)
    label = f"time since the search began ({word})"
    expected = progress.expectation
    start, pace = (expected.pace * expected.before, expected.pace) if expected else (0.0, 0.0)
    return Axis("seconds", label, unit, start, pace)


def progress_figure(progress: Growth, axis: Axis, score: str) -> str:
    """The best score so far, beside random search and the baselines."""

    def paint(axes: Axes) -> None:
        labels = [_paint_curve(axes, progress.curve, axis, BLUE, "this run")]
        if progress.other:
            labels.append(_paint_curve(axes, progress.other, axis, ORANGE, "other run"))
        if progress.expectation:
            labels.append(_paint_expectation(axes, progress.expectation, axis))
        for level in progress.levels:
            axes.axhline(level.score, color=MUTED, linewidth=1, linestyle=(0, (5, 3)))
            labels.append((level.score, shortened(level.name), MUTED))
        y = f"best {score_name(score)} so far"
        dress_lines(axes, axis.label, y, labels, whole=axis.name == "trials")

    title = f"Best {score_name(score)} so far against {axis.name}"
    return draw(f"progress-{axis.name}", title, (WIDTH, HEIGHT), (58, 42, 116, 14), paint)


def distribution_figure(proposed: Sequence[Scored], baselines: Sequence[Level], score: str) -> str:
    """The distribution of the proposed trials' scores by origin, with best and baselines marked."""
    marks = [(level.score, shortened(level.name), MUTED) for level in baselines]
    marks.append((max(o.score for o in proposed), "best found", INK))

    def paint(axes: Axes) -> None:
        groups = by_origin(proposed)
        axes.hist(
            list(groups.values()),
            bins=_edges([o.score for o in proposed]),
            stacked=True,
            color=[KIND_COLOURS.get(kind, GREEN) for kind in groups],
            alpha=0.8,
            rwidth=0.94,
        )
        axes.set_xlabel(score_name(score))
        axes.set_ylabel("trials")
        axes.yaxis.set_major_locator(whole_numbers())
        axes.grid(False, axis="x")
        _mark(axes, marks)

    title = f"Distribution of {score_name(score)} over {len(proposed)} trials"
    top = 16 + LINE * len(marks)
    return draw(
        "distribution", title, (WIDTH, HEIGHT + LINE * len(marks)), (46, 42, 20, top), paint
    )


def weights_figure(branches: Sequence[Branch], norms: Sequence[float]) -> str:
    """The mean absolute weight with which the projection reads each branch."""
    places = np.arange(len(branches))[::-1]

    def paint(axes: Axes) -> None:
        axes.barh(places, norms, height=0.5, color=[colour for _, colour in branches])
        for number, (place, norm, branch) in enumerate(zip(places, norms, branches, strict=True)):
            axes.text(0, place + 0.3, f"{number}: {branch[0]}", va="bottom")
            axes.annotate(
                decimal(norm),
                (norm, place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                color=MUTED,
            )
        axes.set_ylim(-0.5, len(branches) - 0.1)
        axes.set_xlim(0, 1.16 * max([*norms, 1e-9]))
        axes.set_xlabel("mean absolute weight in the projection")
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(False, axis="y")

    title = "Mean absolute projection weight of each branch of the best cell"
    return draw("weights", title, (WIDTH, 60 + 46 * len(branches)), (16, 42, 16, 6), paint)


@dataclass(frozen=True)
class Trend:
    """A line that is named at its end: points (x, mean, low, high)."""

    name: str
    points: Sequence[tuple[float, float, float, float]]


def regret_figure(trends: Sequence[Trend], x: str, score: str) -> str:
    """How far below the best each trend is, by x: in colour and with their bands the first two, and
    the last, with which they are compared."""
    known = (trends[-1], *trends[:2])
    colours = {
        trend.name: colour for trend, colour in zip(known, (ORANGE, BLUE, GREEN), strict=False)
    }

    def paint(axes: Axes) -> None:
        labels = []
        for trend in trends:
            at, mean, low, high = (np.array(each) for each in zip(*trend.points, strict=True))
            colour = colours.get(trend.name, MUTED)
            axes.plot(at, mean, color=colour, linewidth=2 if trend.name in colours else 1)
            if trend.name in colours:
                axes.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
            labels.append((float(mean[-1]), f"{trend.name} {decimal(float(mean[-1]))}", colour))
        dress_lines(axes, x, f"regret of the true {score_name(score)}", labels, whole=False)
        axes.set_ylim(bottom=0)

    title = f"Regret of the true {score_name(score)} against {x}"
    size = (WIDTH + 60, HEIGHT + 40)
    return draw("regret", title, size, (58, 42, 130, 14), paint)


def by_origin(proposed: Sequence[Scored]) -> dict[str, list[float]]:
    """Scores by the kind of the origin, the known kinds first."""
    groups: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for outcome in proposed:
        groups.setdefault(outcome.trial.origin.kind, []).append(outcome.score)
    return {kind: scores for kind, scores in groups.items() if scores}


def shortened(name: str) -> str:
    """A name that fits beside a figure."""
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"


def _paint_curve(axes: Axes, curve: Curve, axis: Axis, colour: str, name: str) -> Label:
    x = np.array([*curve.x, curve.end]) / axis.unit
    best = [*curve.best, curve.best[-1]]
    axes.step(x, best, where="post", color=colour, linewidth=2)
    axes.plot(x[:1], best[:1], ".", color=colour)
    return best[-1], f"{name} {decimal(best[-1])}", colour


def _paint_expectation(axes: Axes, expectation: Expectation, axis: Axis) -> Label:
    points = expectation.points
    x = (axis.start + axis.pace * np.array([point.trials for point in points])) / axis.unit
    mean = [point.mean for point in points]
    low, high = [point.low for point in points], [point.high for point in points]
    axes.fill_between(x, low, high, color=ORANGE, alpha=0.15, linewidth=0)
    axes.plot(x, mean, color=ORANGE, linewidth=1.6, linestyle=(0, (1.5, 1.5)))
    return mean[-1], "expected, random", ORANGE


def _edges(scores: Sequence[float]) -> list[float]:
    low, high = min(scores), max(scores)
    margin = 0.0 if high > low else max(abs(high), 1e-3) * 0.05
    bins = min(30, max(5, round(2 * len(scores) ** 0.5)))
    return [float(edge) for edge in np.linspace(low - margin, high + margin, bins + 1)]


def _mark(axes: Axes, marks: Sequence[Label]) -> None:
    """A vertical line for each mark, its name left of the line's end above the axes.

    The further right, the higher, so that no line crosses a name; the axis begins early enough
    for all names to fit.
    """
    ordered = [(value, f"{name} {decimal(value)}", colour) for value, name, colour in sorted(marks)]
    _make_room(axes, ordered)
    height = axes.get_window_extent().height
    for level, (value, text, colour) in enumerate(ordered):
        top = 1 + (8 + LINE * level) / height
        axes.axvline(value, ymax=top, color=colour, linewidth=1.2, clip_on=False)
        axes.annotate(
            text,
            (value, top),
            xycoords=("data", "axes fraction"),
            xytext=(-5, -3),
            textcoords="offset points",
            ha="right",
            va="center",
            color=colour,
        )


def _make_room(axes: Axes, marks: Sequence[Label]) -> None:
    low, high = axes.get_xlim()
    high = max([high, *(value for value, _, _ in marks)])
    low = min([low, *(value for value, _, _ in marks)])
    high += 0.02 * (high - low)
    width = axes.get_window_extent().width
    for value, text, _ in marks:
        share = min(0.9, max(0.0, (LETTER * len(text) - MARGIN) / width))
        low = min(low, (value - share * high) / (1 - share))
    axes.set_xlim(low, high)
