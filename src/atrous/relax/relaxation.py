"""The seam between a search by gradients and the families of spaces that can be relaxed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from atrous.core.architecture import Genotype
from atrous.relax.gates import Choices, Groups

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

    def network(self, filters: int, classes: int, checkpointing: bool) -> RelaxedNetwork:
        """Builds the relaxed network of a width; with `checkpointing` it computes activations
        again instead of keeping them."""

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
