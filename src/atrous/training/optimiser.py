"""Optimisers and learning rates, SGD as the reference implementation runs it among them; weight
decay, batch norm, batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn

MOMENTUM = 0.9
POWER = 0.9
FINITE_EVERY = 20
"""Steps between checks that the loss is a number."""
REFERENCE_DECAY = 0.0003
REFERENCE_STEPS = 30_000
OptimiserName = Literal["sgd", "adamw"]


class NonFiniteError(Exception):
    """The loss became infinite or NaN."""


@dataclass(frozen=True)
class Schedule:
    """How a head is trained: SGD with momentum 0.9 or AdamW, learning rate
    `rate` * (1 - t / steps)^0.9; over the first share `warm_up` of the steps it rises linearly
    to that from 0."""

    batch: int
    rate: float
    weight_decay: float
    optimiser: OptimiserName = "sgd"
    warm_up: float = 0.0

    def rate_at(self, step: int, steps: int) -> float:
        """The learning rate of a step, counted from 0."""
        rising = self.warm_up * steps
        risen = min(1.0, (step + 1) / rising) if rising else 1.0
        return float(self.rate * risen * (1 - step / steps) ** POWER)


def batches(
    count: int, batch: int, seed: int
) -> Iterator[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Indices of `batch` images at a time, for ever; each pass over the images is shuffled anew.

    A batch larger than the data set holds every image, some of them twice.
    """
    rng = np.random.default_rng(seed)
    queue = np.empty(0, np.int64)
    while True:
        while len(queue) < batch:
            queue = np.concatenate([queue, rng.permutation(count)])
        yield queue[:batch]
        queue = queue[batch:]


def set_norm_decay(network: nn.Module, momentum: float) -> None:
    """Sets the weight of the newest batch in the running means of every batch norm."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = min(1.0, momentum)


def make_optimiser(network: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """Weight decay on convolutions only, as in the reference: not on depthwise weights, batch
    norms or biases."""
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for parameter in network.parameters():
        depthwise = parameter.ndim == 4 and parameter.shape[1] == 1
        (decayed if parameter.ndim == 4 and not depthwise else free).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": schedule.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    if schedule.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=schedule.rate, fused=True)
    return torch.optim.SGD(groups, lr=schedule.rate, momentum=MOMENTUM, fused=True)
