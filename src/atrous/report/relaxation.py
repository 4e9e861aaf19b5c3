"""How a differentiable search came to its decision: what it leans to, and how decided it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from atrous.core.plot import draw, label_ends, whole_numbers
from atrous.core.svg import BLUE, GREEN, INK, MUTED, ORANGE
from atrous.core.words import TIMES
from atrous.relax.history import Snapshot, entropy
from atrous.report.figures import HEIGHT
from atrous.spaces.auto_deeplab.cell import NONE, OPERATIONS, Operation
from atrous.spaces.auto_deeplab.relaxation.walk import (
    OPERATIONS_GROUP,
    WAYS_GROUP,
    layers_of,
    node_probabilities,
    ways_of,
)
from atrous.spaces.auto_deeplab.trellis import LEVELS, STRIDES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BROAD = 500.0
FRAME = (58.0, 42.0, 146.0, 26.0)
KERNEL = re.compile(r"(?<=\d)x(?=\d)")
SOLID, DASHED, DOTTED = "-", (0, (5, 2)), (0, (1, 1.5))

Dash = str | tuple[int, tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """What is drawn over the steps: a value for each snapshot."""

    name: str
    colour: str
    dash: Dash
    values: Sequence[float]


OPERATION_LINES: dict[str, tuple[str, Dash]] = {
    Operation.SEPARABLE_3: (BLUE, SOLID),
    Operation.SEPARABLE_5: (BLUE, DASHED),
    Operation.ATROUS_3: (ORANGE, SOLID),
    Operation.ATROUS_5: (ORANGE, DASHED),
    Operation.AVERAGE: (GREEN, SOLID),
    Operation.MAXIMUM: (GREEN, DASHED),
    Operation.SKIP: (INK, SOLID),
    NONE: (MUTED, DOTTED),
}
STRIDE_LINES: tuple[tuple[str, Dash], ...] = (
    (BLUE, SOLID),
    (ORANGE, SOLID),
    (GREEN, SOLID),
    (INK, SOLID),
)


def operations_figure(snapshots: Sequence[Snapshot]) -> str | None:
    """The mean probability of each operation over the cell's edges; `None` without snapshots."""
    lines = [
        Line(operation_name(name), *OPERATION_LINES[name], [_column(m, place) for m in snapshots])
        for place, name in enumerate((*OPERATIONS, NONE))
    ]
    title = "Mean probability of each operation over the edges of the cell, against steps"
    return _figure("relaxed-operations", title, "mean probability", lines, snapshots)


def strides_figure(snapshots: Sequence[Snapshot]) -> str | None:
    """The part of its layers that a walk by beta spends at each stride; `None` without
    snapshots."""
    shares = [_by_level(snapshot) for snapshot in snapshots]
    lines = [
        Line(f"stride {STRIDES[level]}", *STRIDE_LINES[level], [share[level] for share in shares])
        for level in LEVELS
    ]
    title = "Part of its layers that a walk by beta spends at each stride, against steps"
    return _figure("relaxed-strides", title, "part of the layers", lines, snapshots)


def entropy_figure(snapshots: Sequence[Snapshot]) -> str | None:
    """The mean entropy of alpha and beta, as parts of the largest; `None` without snapshots."""
    alpha = [entropy(snapshot.probabilities[OPERATIONS_GROUP]).share for snapshot in snapshots]
    beta = [entropy(snapshot.probabilities[WAYS_GROUP]).share for snapshot in snapshots]
    lines = [Line("operations", BLUE, SOLID, alpha), Line("path", ORANGE, SOLID, beta)]
    title = "Mean entropy of operations and of the path, as part of the largest, against steps"
    return _figure("relaxed-entropy", title, "entropy / largest", lines, snapshots, " {:.2f}")


def eigenvalue_figure(snapshots: Sequence[Snapshot]) -> str | None:
    """The dominant eigenvalue of the Hessian by alpha and beta; `None` where it was not taken."""
    taken = [snapshot for snapshot in snapshots if snapshot.eigenvalue is not None]
    values = [m.eigenvalue for m in taken if m.eigenvalue is not None]
    lines = [Line("eigenvalue", BLUE, SOLID, values)]
    title = "Dominant eigenvalue of the Hessian by the architecture parameters, against steps"
    return _figure("relaxed-eigenvalue", title, "dominant eigenvalue", lines, taken, " {:.3g}")


def operation_name(name: str) -> str:
    """The name of an operation or of `none`, as figures write it: `sep 3×3`."""
    return KERNEL.sub(TIMES, str(name))


def _figure(
    name: str,
    title: str,
    label: str,
    lines: Sequence[Line],
    snapshots: Sequence[Snapshot],
    ending: str = " {:.3f}",
) -> str | None:
    """Lines with their names and last values at their ends."""
    if not snapshots:
        return None
    return draw(name, title, (BROAD, HEIGHT), FRAME, _painter(label, lines, snapshots, ending))


def _painter(
    label: str, lines: Sequence[Line], snapshots: Sequence[Snapshot], ending: str
) -> Callable[[Axes], None]:
    steps = [snapshot.step for snapshot in snapshots]

    def paint(axes: Axes) -> None:
        for line in lines:
            marker = "." if len(steps) == 1 else ""
            axes.plot(
                steps,
                line.values,
                color=line.colour,
                linewidth=2,
                linestyle=line.dash,
                marker=marker,
            )
        axes.set_xlim(left=0)
        axes.margins(y=0.08)
        axes.xaxis.set_major_locator(whole_numbers())
        axes.set_xlabel("steps")
        axes.set_ylabel(label)
        _mark_start(axes, snapshots)
        ends = [(li.values[-1], li.name + ending.format(li.values[-1]), li.colour) for li in lines]
        label_ends(axes, ends)

    return paint


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


def _column(snapshot: Snapshot, place: int) -> float:
    return fmean(row[place] for row in snapshot.probabilities[OPERATIONS_GROUP])


def _by_level(snapshot: Snapshot) -> list[float]:
    """The expected part of the layers at each level."""
    ways = ways_of(snapshot.probabilities)
    passed, layers = node_probabilities(ways), layers_of(len(ways))
    return [sum(p for (_, at), p in passed.items() if at == level) / layers for level in LEVELS]
