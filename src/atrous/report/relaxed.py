"""A differentiable search on the page: what its supernets learnt, and what was decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from atrous.relax.history import Snapshot, entropy, histories, read_history
from atrous.report.relaxation import (
    eigenvalue_figure,
    entropy_figure,
    operations_figure,
    strides_figure,
)
from atrous.report.relaxation_maps import operations_map, strides_map
from atrous.search.run import Run
from atrous.spaces import find_architecture
from atrous.spaces.auto_deeplab.relaxation.decoding import pooling_share, skip_share
from atrous.spaces.auto_deeplab.relaxation.walk import (
    OPERATIONS_GROUP,
    WAYS_GROUP,
    arrow_probabilities,
    ways_of,
)
from atrous.spaces.auto_deeplab.space import decoded
from atrous.spaces.auto_deeplab.trellis import STRIDES
from atrous.spaces.auto_deeplab.trellis_drawing import draw_trellis


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
    strides: str
    facts: tuple[tuple[str, str], ...]
    trellis: str
    pictures: tuple[Picture, ...]


def relaxed(run: Run) -> list[Relaxed]:
    """The supernets of a run that have a history; none for other strategies."""
    found = ((seed, read_history(path)) for seed, path in histories(run.path).items())
    return [_relaxed(seed, snapshots) for seed, snapshots in found if snapshots]


def _relaxed(seed: int, snapshots: list[Snapshot]) -> Relaxed:
    last = snapshots[-1]
    found = decoded(find_architecture(last.architecture))
    taken = arrow_probabilities(ways_of(last.probabilities))
    return Relaxed(
        seed=seed,
        step=last.step,
        seconds=last.seconds,
        is_over=last.share == 1,
        architecture=last.architecture,
        strides=", ".join(str(STRIDES[level]) for level in found.path),
        facts=tuple(_facts(last)),
        trellis=draw_trellis(len(found.path), taken, found.path),
        pictures=tuple(_pictures(snapshots)),
    )


def _facts(last: Snapshot) -> Iterator[tuple[str, str]]:
    cell = decoded(find_architecture(last.architecture)).cell
    operations, ways = (last.probabilities[name] for name in (OPERATIONS_GROUP, WAYS_GROUP))
    yield "Entropy of operations", f"{entropy(operations).share:.0%} of the largest"
    yield "Entropy of ways", f"{entropy(ways).share:.0%} of the largest"
    yield "Edges that skip", f"{skip_share(cell):.0%}"
    yield "Edges that pool", f"{pooling_share(cell):.0%}"


def _pictures(snapshots: list[Snapshot]) -> Iterator[Picture]:
    drawn = (
        (operations_figure(snapshots), "Mean probability of each operation over the cell's edges."),
        (
            strides_figure(snapshots),
            "Part of the layers that a walk by beta spends at each stride.",
        ),
        (entropy_figure(snapshots), "Entropy of operations and ways, as part of the largest."),
        (eigenvalue_figure(snapshots), "Dominant eigenvalue of the Hessian by alpha and beta."),
        (
            operations_map(snapshots[-1]),
            "Probability of each operation on each edge at the end, in per cent; what was decoded "
            "is framed.",
        ),
        (
            strides_map(snapshots[-1]),
            "Probability that a walk by beta passes each stride in each layer, in per cent; the "
            "decoded path is framed.",
        ),
    )
    return (Picture(svg, words) for svg, words in drawn if svg)
