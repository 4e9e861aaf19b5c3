"""How choices are made of the logits of an architecture: one record for each way to search.

A relaxed network has named groups of logits. A gate makes of each group the weights with which its
choices are mixed, and says which of them need to be computed at all. It knows no family: what a
choice means is the network's business.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Group:
    """Logits [..., choices] of choices of one kind, in as many tensors as they have lengths.

    `compared`: the loss has no slope along the weight of a choice that is taken alone, so that a
    gate which takes choices alone learns them by comparing two draws. `known` are the logits where
    they are read without waiting for an accelerator; empty: they are read from it.
    """

    logits: tuple[Tensor, ...]
    compared: bool = False
    known: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class Chosen:
    """Weights [..., choices] for each tensor of a group, through which gradients flow; `numbers`
    [...], on the CPU, are the choices that alone are computed, or `None` where all are."""

    weights: tuple[Tensor, ...]
    numbers: tuple[Tensor, ...] | None = None


Groups = Mapping[str, Group]
Choices = Mapping[str, Chosen]
"""The choices of each group, by its name, as a gate makes them."""


@dataclass(frozen=True)
class Learning:
    """Adam for the architecture: its rate, its two decays, its weight decay; `warm_up` is the share
    of the steps before it begins."""

    rate: float
    betas: tuple[float, float]
    decay: float
    warm_up: float


@dataclass(frozen=True)
class Gate:
    """A way to search.

    `choose` takes a group, a temperature and the generator of its noise, on whatever device that
    is; `temperature` depends on the share of the search that is over, in [0, 1]. `alone`: choices
    are taken alone. `timed`: the architecture's loss counts the expected latency.
    """

    choose: Callable[[Group, float, torch.Generator], Chosen]
    temperature: Callable[[float], float]
    learning: Learning
    alone: bool = False
    timed: bool = False

    def __call__(self, groups: Groups, temperature: float, generator: torch.Generator) -> Choices:
        """Returns the choices of all groups, drawn one group after another."""
        return {n: self.choose(group, temperature, generator) for n, group in groups.items()}


def softmax(group: Group, temperature: float, generator: torch.Generator) -> Chosen:
    """Weighs everything by the softmax (Liu, Simonyan and Yang 2019; Liu et al. 2019). Draws
    nothing."""
    del generator
    return Chosen(tuple(part.div(temperature).softmax(-1) for part in group.logits))


def fbnet(group: Group, temperature: float, generator: torch.Generator) -> Chosen:
    """Weighs everything by the softmax of noisy logits (Wu et al. 2019, section 3.2)."""
    noises = [_noise(part, generator) for part in group.logits]
    pairs = zip(group.logits, noises, strict=True)
    return Chosen(tuple(_softened(part, noise, temperature) for part, noise in pairs))


def gdas(group: Group, temperature: float, generator: torch.Generator) -> Chosen:
    """Takes the choice that is most likely under noise, with weight 1 and the gradient of the
    softmax (Dong and Yang 2019, section 3.2).

    Where choices are compared, draws them by the softmax of the logits over the temperature, so
    that all are tried at first, with weight 1 and no gradient; Dong and Yang have none such.
    """
    scale = temperature if group.compared else 1.0
    noises = [_noise(part, generator) for part in group.logits]
    numbers = tuple(
        (part / scale).log_softmax(-1).add(noise.to(part)).argmax(-1)
        for part, noise in zip(group.known or on_cpu(group.logits), noises, strict=True)
    )
    ones = [
        functional.one_hot(number, part.shape[-1]).to(part)
        for number, part in zip(numbers, group.logits, strict=True)
    ]
    if group.compared:
        return Chosen(tuple(ones), numbers)
    pairs = zip(group.logits, noises, strict=True)
    soft = [_softened(part, noise, temperature) for part, noise in pairs]
    hard = (one + (part - part.detach()) for one, part in zip(ones, soft, strict=True))
    return Chosen(tuple(hard), numbers)


GATES: Mapping[str, Gate] = {
    # Liu et al. 2019, section 4.1.
    "softmax": Gate(softmax, lambda share: 1.0, Learning(3e-3, (0.9, 0.999), 1e-3, 0.5)),  # noqa: ARG005
    # Dong and Yang 2019: the temperature falls linearly from 10 to 0.1.
    "gdas": Gate(
        gdas,
        lambda share: 10 + (0.1 - 10) * share,
        Learning(3e-4, (0.5, 0.999), 1e-3, 0.0),
        alone=True,
    ),
    # Wu et al. 2019: the temperature is 5, times exp(-0.045) after each of 90 epochs. Adam's
    # decays, of which the paper says nothing, are the usual ones.
    "fbnet": Gate(
        fbnet,
        lambda share: 5 * math.exp(-0.045 * 90 * share),
        Learning(1e-2, (0.9, 0.999), 5e-4, 10 / 90),
        timed=True,
    ),
}


def on_cpu(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Returns tensors without gradient on the CPU; an accelerator is waited for once."""
    flat = torch.cat([each.detach().flatten() for each in tensors]).cpu()
    parts = torch.split(flat, [each.numel() for each in tensors])
    return tuple(part.view(each.shape) for part, each in zip(parts, tensors, strict=True))


def _noise(logits: Tensor, generator: torch.Generator) -> Tensor:
    """Gumbel noise of the shape of logits, on the generator's device; where that is the CPU, no
    accelerator is waited for."""
    draws = torch.zeros(logits.shape, device=generator.device)
    while not draws.all():  # a draw of 0 has no finite noise
        draws.exponential_(generator=generator)
    return -draws.log()


def _softened(logits: Tensor, noise: Tensor, temperature: float) -> Tensor:
    """The softmax over the last dimension of log-probabilities with noise."""
    return logits.log_softmax(-1).add(noise.to(logits)).div(temperature).softmax(-1)
