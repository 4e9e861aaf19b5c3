"""The questions that networks are asked of an image, one folder each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn


class Loss(Protocol):
    """A sum over all that is labelled, of answers against targets, each times the weight of its
    class where there are weights [K]."""

    def __call__(
        self, answers: Tensor, targets: Tensor, weights: Tensor | None = None, /
    ) -> Tensor:
        """Returns a scalar."""


@dataclass(frozen=True)
class Task:
    """A question, and what is needed to learn and to score its answers.

    `head` makes the last layer, from channels, classes and the size of its kernel. `loss` sums over
    all that is labelled, and `labelled` counts it. `tally` counts an answer against its label, for
    so many classes; tallies add up, and `summary` turns their sum into scores, of which `value` is
    the main one.
    """

    name: str
    head: Callable[[int, int, int], nn.Conv2d]
    loss: Loss
    labelled: Callable[[Tensor], Tensor]
    tally: Callable[[Tensor, Tensor, int], Tensor]
    summary: Callable[[Any], Any]
    value: str
