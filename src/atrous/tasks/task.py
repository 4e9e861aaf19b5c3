"""A task: which question networks answer, and how answers are learnt, counted and valued.

Nothing here loads torch: a ledger and a report know a task by the names of its values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

from atrous.core.errors import AtrousError
from atrous.core.trial import Metrics
from atrous.data.pixels import Pixels

if TYPE_CHECKING:
    from torch import Tensor, nn

Objective = Callable[[Mapping[str, float]], float]
"""Larger is better. Raises `KeyError` for a value that the estimator does not measure."""


def on_split(name: str, split: str) -> str:
    """The name of a value that is measured on one of several splits."""
    return f"{split} {name}"


@dataclass(frozen=True)
class Value:
    """A value as it was measured, times `sign`: -1 for what is to be small."""

    name: str
    sign: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        """The values that are read."""
        return (self.name,)

    def __call__(self, values: Mapping[str, float]) -> float:
        """See `Objective`."""
        return self.sign * values[self.name]


@dataclass(frozen=True)
class Mean:
    """The geometric mean of several values."""

    names: tuple[str, ...]

    def __call__(self, values: Mapping[str, float]) -> float:
        """See `Objective`."""
        return float(prod(values[name] for name in self.names) ** (1 / len(self.names)))


class Loss(Protocol):
    """A sum over all that is labelled, of answers against targets, each times the weight of its
    class where there are weights [K]."""

    def __call__(
        self, answers: Tensor, targets: Tensor, weights: Tensor | None = None, /
    ) -> Tensor:
        """Returns a scalar."""


@dataclass(frozen=True)
class Lesson:
    """The part of a task that computes with tensors. B images, K classes, H x W pixels.

    `head` makes the last layer, from channels, K and the size of its kernel; it gives scores
    [B, C, H, W], with as many channels C as the task needs. `loss` sums over all targets [B, H, W]
    that are not ignored, and `labelled` counts those. `answer` decides: scores -> [B, H, W].
    `tally` counts answers against targets, for K classes; tallies add up, and `summary` turns their
    sum, an array, into numbers by name and rows of numbers. `evaluate` gives the tally of a whole
    network on images of any size, called with network, transform, samples and K, and by name with
    `device`, `label` and `progress`.
    """

    head: Callable[[int, int, int], nn.Conv2d]
    loss: Loss
    labelled: Callable[[Tensor], Tensor]
    answer: Callable[[Tensor], Tensor]
    tally: Callable[[Tensor, Tensor, int], Tensor]
    summary: Callable[[Any], Metrics]
    evaluate: Callable[..., Any]


def as_labelled(image: Pixels, labels: Pixels) -> Pixels:  # noqa: ARG001
    """Returns the labels as the targets."""
    return labels


@dataclass(frozen=True)
class Task:
    """A question, and the names of what answers to it are worth.

    `values` are those of a `summary`, the main one first; `loss` is the name of the mean loss,
    which is measured on cached features as well. `objectives` are the scores that can be
    maximised; one has the name of the main value. `by_class` names the row of values with one for
    each class, `class_` and the name of the value, or is empty. `targets` makes what is to be told
    of each pixel, bytes [H, W] with 255 where nothing is, from an image and its labels. `lesson`
    loads the rest, and torch with it. Tasks pickle where these functions do.
    """

    name: str
    values: tuple[str, ...]
    loss: str
    objectives: Mapping[str, Value | Mean]
    lesson: Callable[[], Lesson]
    by_class: str = ""
    targets: Callable[[Pixels, Pixels], Pixels] = as_labelled

    @property
    def value(self) -> str:
        """The name of the main value."""
        return self.values[0]

    @property
    def selected_by(self) -> str:
        """The name that the main value on the selection images has in the record of a training."""
        return f"selection_{self.value}"

    def scores(self, whole: bool) -> tuple[str, ...]:
        """The objectives that read nothing but measured values: those of `whole` networks, trained
        on images, whose answers are counted, or of parts on cached features, with their loss."""
        measured = {*self.values} if whole else {*self.values, self.loss}
        return tuple(name for name, each in self.objectives.items() if {*each.names} <= measured)

    def end_to_end(self, score: str) -> str:
        """The score of networks that are trained on images, after a search that had this one: the
        same if it is measured there, else the main value."""
        return score if score in self.scores(whole=True) else self.value

    def objective(self, score: str, whole: bool = False) -> Value | Mean:
        """The objective of a name, the main value's of none; raises `AtrousError`."""
        able = self.scores(whole)
        if score and score not in able:
            raise AtrousError(f"--score is one of {', '.join(able)}, got {score!r}.")
        return self.objectives[score or self.value]
