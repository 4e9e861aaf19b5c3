"""The seam between a search by gradients and the families of spaces that can be relaxed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from atrous.core.architecture import Genotype
from atrous.relax.gates import Choices, Groups
from atrous.tasks.task import Task

AnyMixture = Any
"""The choices that a relaxed network computes, and their weights, in its own terms."""
Logits = Mapping[str, Sequence[Tensor]]
"""The logits [..., choices] of each group, as a search has learnt them."""
Probabilities = Mapping[str, Sequence[Sequence[float]]]
"""The softmax of the logits of each group, choice by choice."""


class RelaxedNetwork(nn.Module, ABC):
    """A network that holds all architectures of a space at once.

    Called with images [B, 3, H, W] and a mixture, it gives logits [B, K, H, W].
    """

    @abstractmethod
    def architecture(self) -> list[nn.Parameter]:
        """Returns the parameters that weigh architectures against each other."""

    def weights(self) -> list[nn.Parameter]:
        """Returns all other parameters."""
        architecture = {id(parameter) for parameter in self.architecture()}
        return [p for p in self.parameters() if id(p) not in architecture]

    @abstractmethod
    def groups(self) -> Groups:
        """Returns the architecture's parameters as named groups of logits."""

    @abstractmethod
    def mixture(self, choices: Choices) -> AnyMixture:
        """Returns what a gate's choices mean here."""

    def contrast(self, first: AnyMixture, second: AnyMixture, temperature: float) -> Tensor:
        """Returns log p(first) - log p(second), a scalar, of what two mixtures take in groups that
        are compared: 0 where there are none."""
        del first, second, temperature
        return torch.zeros(())

    def recomputed(self) -> Iterable[nn.Module]:
        """Returns the modules of which each is computed a second time for its gradients where
        memory is to be saved."""
        return ()


@dataclass(frozen=True)
class TimedPart:
    """A module whose latency is measured, on maps [B, channels, *size]."""

    module: nn.Module
    channels: int
    size: tuple[int, int]


class Relaxation(Protocol):
    """A space of one family as a search by gradients sees it.

    Images in [0, 1] are normalised by `mean` and `std`.
    """

    @property
    def mean(self) -> tuple[float, ...]:
        """The mean of red, green and blue."""

    @property
    def std(self) -> tuple[float, ...]:
        """Their standard deviation."""

    @property
    def canvas(self) -> int:
        """Networks see images of k * this + 1 pixels on each axis."""

    def network(
        self, filters: int, classes: int, checkpointing: bool, task: Task
    ) -> RelaxedNetwork:
        """Builds the relaxed network of a width, whose last layers are the task's; with
        `checkpointing` it computes activations again instead of keeping them."""

    def candidates(self, logits: Logits, count: int, neutral: bool) -> list[Genotype]:
        """Decodes the `count` best architectures, best first, or all if there are fewer.

        `neutral` decodes without a preference that equal logits have.
        """

    def warning(self, probabilities: Probabilities, plain: float) -> str | None:
        """Says, in a sentence, if a larger part than `plain` of what would be decoded computes
        nothing new."""

    def one_hot(self, genotype: Genotype) -> AnyMixture:
        """Returns the mixture that computes one architecture alone."""

    def parts(self, filters: int, size: tuple[int, int]) -> Mapping[str, TimedPart]:
        """Returns the parts of a network on images of `size` (H, W), by name, of whose latencies
        that of a network is summed. Raises `AtrousError` for a size that cannot be."""

    def latency(self, milliseconds: Mapping[str, float], mixture: AnyMixture) -> Tensor:
        """Returns the expected latency of a mixture in milliseconds, from that of the parts: a
        scalar through which gradients flow."""


Penalty = Callable[[Tensor, AnyMixture], Tensor]
"""From the cross-entropy of a mixture to the loss of the architecture."""
LEAST = 1.0
"""The logarithm of e milliseconds: what is faster is not made faster still."""


def without_penalty(cross_entropy: Tensor, mixture: AnyMixture) -> Tensor:  # noqa: ARG001
    """Returns the cross-entropy as the architecture's loss."""
    return cross_entropy


def latency_loss(
    cross_entropy: Tensor, milliseconds: Tensor, alpha: float = 0.2, beta: float = 0.6
) -> Tensor:
    """Returns cross-entropy x alpha x (log LAT)^beta (Wu et al. 2019, equation 2).

    The power is of the logarithm: log(LAT^beta) = beta log LAT would make beta a mere factor. The
    paper does not say LAT's unit; its latencies, 20 to 30 on a phone, are in milliseconds, and so
    is LAT here. Below e milliseconds the factor stays at alpha: (log LAT)^beta steepens without
    bound towards 1 ms, and has no value below.
    """
    factor = milliseconds.log().clamp_min(LEAST) ** beta
    return cross_entropy * alpha * factor


def slow_is_bad(relaxation: Relaxation, milliseconds: Mapping[str, float]) -> Penalty:
    """Returns the penalty that counts the latency which is expected of a mixture, from that of a
    space's parts."""

    def penalised(cross_entropy: Tensor, mixture: AnyMixture) -> Tensor:
        return latency_loss(cross_entropy, relaxation.latency(milliseconds, mixture))

    return penalised
