"""The questions that networks are asked of an image, one folder each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Task:
    """A question, and what is needed to learn and to score its answers.

    `head` makes the last layer, from channels, classes and the size of its kernel. `loss` sums over
    all that is labelled, from answers and targets. `tally` counts an answer against its label, for
    so many classes; tallies add up, and `summary` turns their sum into scores, of which `value` is
    the main one.
    """

    name: str
    head: Callable[[int, int, int], nn.Conv2d]
    loss: Callable[[Tensor, Tensor], Tensor]
    tally: Callable[[Tensor, Tensor, int], Tensor]
    summary: Callable[[Any], Any]
    value: str
