"""A search by gradients on the page: what its supernets learnt, and what was decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atrous.core.drawing import BLUE, FAINT, INK, MUTED, draw, dress_lines
from atrous.core.errors import AtrousError
from atrous.relax.collapse import Snapshot, entropy_share, histories, read_history
from atrous.report.figures import HEIGHT
from atrous.search.run import Run
from atrous.spaces import family_of, find_architecture
from atrous.spaces.view import SOLID, Chart, Grid, Line, RelaxationView

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BROAD = 500.0
FRAME = (58.0, 42.0, 146.0, 26.0)
ROW, LEFT, TOP, MARGIN = 22.0, 136.0, 34.0, 8.0
DARKEST = 0.65
"""The opacity of the largest probability, through which its number can be read."""
SMALL = 10


@dataclass(frozen=True)
class Picture:
    """A figure with what it shows, in a sentence."""

    svg: str
    words: str


@dataclass(frozen=True)
class Relaxed:
    """One supernet: where it stands after its last snapshot, and its figures."""

    seed: int
    step: int
    seconds: float
    is_over: bool
    architecture: str
    reading: str
    facts: tuple[tuple[str, str], ...]
    drawing: str
    pictures: tuple[Picture, ...]


def relaxed(run: Run) -> list[Relaxed]:
    """Returns the supernets of a run that have a history; none for other strategies."""
    view, asked = family_of(run.config.space).search_view, run.config.gradient
    if view is None or asked is None:
        return []
    found = ((seed, read_history(path)) for seed, path in histories(run.path).items())
    return [
        _sound(view, asked.neutral, seed, snapshots, run) for seed, snapshots in found if snapshots
    ]


def _sound(
    view: RelaxationView, neutral: bool, seed: int, snapshots: list[Snapshot], run: Run
) -> Relaxed:
    """Returns a supernet; raises `AtrousError` for the history of another network."""
    try:
        return _relaxed(view, neutral, seed, snapshots)
    except (AtrousError, LookupError, ValueError, ArithmeticError, TypeError) as error:
        raise AtrousError(
            f"Expected the history of a search of {run.config.space} in "
            f"{histories(run.path)[seed]}, but its probabilities or architecture are of another "
            f"network ({error}). Restore the file from a copy, or delete it."
        ) from error


def _relaxed(view: RelaxationView, neutral: bool, seed: int, snapshots: list[Snapshot]) -> Relaxed:
    last = snapshots[-1]
    undecided = (
        (f"Entropy of {name}", f"{entropy_share(rows):.0%} of the largest")
        for name, rows in last.probabilities.items()
    )
    return Relaxed(
        seed=seed,
        step=last.step,
        seconds=last.seconds,
        is_over=last.share == 1,
        architecture=str(find_architecture(last.architecture)),
        reading=view.reading(neutral),
        facts=(*undecided, *view.facts(last)),
        drawing=view.draw(last),
        pictures=tuple(_pictures(view, snapshots)),
    )


def _pictures(view: RelaxationView, snapshots: Sequence[Snapshot]) -> Iterator[Picture]:
    for chart in view.charts(snapshots):
        yield Picture(draw_chart(chart, snapshots), chart.words)
    taken = [snapshot for snapshot in snapshots if snapshot.eigenvalue is not None]
    if taken:
        chart = eigenvalue_chart(taken)
        yield Picture(draw_chart(chart, taken), chart.words)
    for grid in view.grids(snapshots[-1]):
        yield Picture(draw_grid(grid), grid.words)


def eigenvalue_chart(snapshots: Sequence[Snapshot]) -> Chart:
    """Returns the dominant eigenvalue of the Hessian at snapshots at which it was taken."""
    values = [s.eigenvalue for s in snapshots if s.eigenvalue is not None]
    return Chart(
        "relaxed-eigenvalue",
        "Dominant eigenvalue of the Hessian by the architecture parameters, against steps",
        "dominant eigenvalue",
        [Line("eigenvalue", BLUE, SOLID, values)],
        "Dominant eigenvalue of the Hessian by the architecture parameters.",
        " {:.3g}",
    )


def draw_chart(chart: Chart, snapshots: Sequence[Snapshot]) -> str:
    """Draws lines with their names and last values at their ends."""
    steps = [snapshot.step for snapshot in snapshots]

    def paint(axes: Axes) -> None:
        for line in chart.lines:
            axes.plot(
                steps,
                line.values,
                color=line.colour,
                linewidth=2,
                linestyle=line.dash,
                marker="." if len(steps) == 1 else "",
            )
        lasts = [(line.values[-1], line) for line in chart.lines]
        labels = [(v, f"{li.name}{chart.ending.format(v)}", li.colour) for v, li in lasts]
        dress_lines(axes, "steps", chart.label, labels)
        _mark_start(axes, snapshots)

    return draw(chart.name, chart.title, (BROAD, HEIGHT), FRAME, paint)


def draw_grid(grid: Grid) -> str:
    """Draws a box for each probability, the darker the larger beside the largest of all."""
    size = (LEFT + grid.wide * len(grid.columns) + MARGIN, TOP + ROW * len(grid.rows) + MARGIN)
    frame = (LEFT, MARGIN, MARGIN, TOP)
    return draw(grid.name, grid.title, size, frame, lambda axes: _paint(axes, grid))


def _mark_start(axes: Axes, snapshots: Sequence[Snapshot]) -> None:
    """A line where the architecture began to be trained, if the weights began alone."""
    before = [snapshot.step for snapshot in snapshots if snapshot.architecture_loss is None]
    if not before or len(before) == len(snapshots):
        return
    axes.axvline(before[-1], color=MUTED, linewidth=1, linestyle=(0, (5, 3)))
    axes.annotate(
        "architecture trained from here",
        (before[-1], 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 5),
        textcoords="offset points",
        ha="center",
        va="bottom",
        color=MUTED,
    )


def _paint(axes: Axes, grid: Grid) -> None:
    largest = max(grid.values.values())
    axes.set_xlim(0, len(grid.columns))
    axes.set_ylim(len(grid.rows), 0)
    for (row, column), value in grid.values.items():
        _box(axes, row, column, facecolor=BLUE, alpha=DARKEST * value / largest, linewidth=0)
        middle = (column + 0.5, row + 0.5)
        # Per cent, without a sign for them.
        number = f"{100 * value:.0f}"
        axes.annotate(number, middle, ha="center", va="center", color=INK, size=SMALL)
    for row in grid.parted:
        axes.axhline(row, color=FAINT, linewidth=1)
    for row, column in grid.chosen:
        _box(axes, row, column, fill=False, edgecolor=INK, linewidth=1.6, clip_on=False)
    axes.set_yticks([place + 0.5 for place in range(len(grid.rows))], grid.rows)
    axes.set_xticks([place + 0.5 for place in range(len(grid.columns))], grid.columns)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    axes.grid(False)


def _box(axes: Axes, row: int, column: int, **style: object) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((column, row), 1, 1, **style))  # type: ignore[arg-type]
