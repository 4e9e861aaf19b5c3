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
from atrous.relax.entropy import alpha_entropy, beta_entropy
from atrous.relax.history import Moment
from atrous.report.figures import HEIGHT
from atrous.spaces.auto_deeplab.cell import NONE, OPERATIONS, Operation
from atrous.spaces.auto_deeplab.relaxation.walk import layers_of, node_probabilities
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
    """What is drawn over the steps: a value for each moment."""

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


def operations_figure(moments: Sequence[Moment]) -> str | None:
    """The mean probability of each operation over the cell's edges; `None` without moments."""
    lines = [
        Line(operation_name(name), *OPERATION_LINES[name], [_column(m, place) for m in moments])
        for place, name in enumerate((*OPERATIONS, NONE))
    ]
    title = "Mean probability of each operation over the edges of the cell, against steps"
    return _figure("relaxed-operations", title, "mean probability", lines, moments)


def strides_figure(moments: Sequence[Moment]) -> str | None:
    """The part of its layers that a walk by beta spends at each stride; `None` without moments."""
    shares = [_by_level(moment) for moment in moments]
    lines = [
        Line(f"stride {STRIDES[level]}", *STRIDE_LINES[level], [share[level] for share in shares])
        for level in LEVELS
    ]
    title = "Part of its layers that a walk by beta spends at each stride, against steps"
    return _figure("relaxed-strides", title, "part of the layers", lines, moments)


def entropy_figure(moments: Sequence[Moment]) -> str | None:
    """The mean entropy of alpha and beta, as parts of the largest; `None` without moments."""
    alpha = [alpha_entropy(moment.alpha).share for moment in moments]
    beta = [beta_entropy(moment.beta).share for moment in moments]
    lines = [Line("operations", BLUE, SOLID, alpha), Line("path", ORANGE, SOLID, beta)]
    title = "Mean entropy of operations and of the path, as part of the largest, against steps"
    return _figure("relaxed-entropy", title, "entropy / largest", lines, moments, " {:.2f}")


def eigenvalue_figure(moments: Sequence[Moment]) -> str | None:
    """The dominant eigenvalue of the Hessian by alpha and beta; `None` where it was not taken."""
    taken = [moment for moment in moments if moment.eigenvalue is not None]
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
    moments: Sequence[Moment],
    ending: str = " {:.3f}",
) -> str | None:
    """Lines with their names and last values at their ends."""
    if not moments:
        return None
    return draw(name, title, (BROAD, HEIGHT), FRAME, _painter(label, lines, moments, ending))


def _painter(
    label: str, lines: Sequence[Line], moments: Sequence[Moment], ending: str
) -> Callable[[Axes], None]:
    steps = [moment.step for moment in moments]

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
        _mark_start(axes, moments)
        ends = [(li.values[-1], li.name + ending.format(li.values[-1]), li.colour) for li in lines]
        label_ends(axes, ends)

    return paint


def _mark_start(axes: Axes, moments: Sequence[Moment]) -> None:
    """A line where the architecture began to be trained, if the weights began alone."""
    before = [moment.step for moment in moments if moment.architecture_loss is None]
    if not before or len(before) == len(moments):
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


def _column(moment: Moment, place: int) -> float:
    return fmean(row[place] for row in moment.alpha)


def _by_level(moment: Moment) -> list[float]:
    """The expected part of the layers at each level."""
    passed, layers = node_probabilities(moment.beta), layers_of(len(moment.beta))
    return [sum(p for (_, at), p in passed.items() if at == level) / layers for level in LEVELS]
