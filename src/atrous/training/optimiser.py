"""Optimisers and learning rates, SGD as the reference implementation runs it among them; weight
decay, batch norm, batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn

MOMENTUM = 0.9
POWER = 0.9
FINITE_EVERY = 20
"""Steps between checks that the loss is a number."""
BIAS, TIMES = 2.0, "times"
"""Biases of convolutions learn so many times as fast; the name of that in a group of parameters."""
COOLING = 0.2
"""The last share of the steps of a rung, over which its learning rate falls."""
REFERENCE_DECAY = 0.0003
REFERENCE_STEPS = 30_000
PREFIX = "optimiser."
"""Before the names of an optimiser's tensors in a checkpoint."""
OptimiserName = Literal["sgd", "adamw"]


class NonFiniteError(Exception):
    """The loss became infinite or NaN."""


@dataclass(frozen=True)
class Schedule:
    """How a head is trained: SGD with momentum 0.9 or AdamW, learning rate
    `rate` * (1 - t / steps)^0.9; over the first share `warm_up` of the steps it rises linearly
    to that from 0.

    Where there are `rungs`, the steps of each, a training is the beginning of all longer ones: the
    rate rises over the share `warm_up` of the shortest, stays, and falls over the last fifth of the
    steps alone. A longer one goes on from before that (Hu et al. 2024, "MiniCPM", section 4:
    warm up, stable, decay), so that it is the same at one stretch and rung by rung.
    """

    batch: int
    rate: float
    weight_decay: float
    optimiser: OptimiserName = "sgd"
    warm_up: float = 0.0
    rungs: tuple[int, ...] = ()

    def rate_at(self, step: int, steps: int) -> float:
        """The learning rate of a step, counted from 0."""
        rising = self.warm_up * (self.rungs[0] if self.rungs else steps)
        risen = min(1.0, (step + 1) / rising) if rising else 1.0
        stem = self.stem(steps)
        left = 1.0 if step < stem else 1 - (step - stem) / (steps - stem)
        return float(self.rate * risen * left**POWER)

    def stem(self, steps: int) -> int:
        """The step at which the rate of a training of so many begins to fall."""
        return steps - max(1, round(COOLING * steps)) if self.rungs else 0

    def turns(self, steps: int) -> tuple[int, ...]:
        """The steps at which a training of so many goes on from lower rungs."""
        return tuple(self.stem(each) for each in self.rungs if each < steps)

    def norm_decay_at(self, step: int, steps: int) -> float:
        """The weight of the newest batch in running means: they cover the last tenth of the
        training, or of the rung that this step is of."""
        of = next((each for each in self.rungs if each < steps and step < self.stem(each)), steps)
        return max(REFERENCE_DECAY, REFERENCE_DECAY * REFERENCE_STEPS / of)


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


@dataclass(frozen=True)
class GroupRule:
    """How parameters learn: whether they decay, and at how many times the rate."""

    decays: bool
    times: float = 1.0


def learning_of(module: nn.Module, name: str) -> GroupRule:
    """Returns how a module's own parameter of this name learns, as in the reference.

    Convolutions decay, batch norms and biases do not. Depthwise kernels do only where their module
    `decays` (`networks.layers.DepthwiseConvolution`). Biases of convolutions, those of the class
    scores among them, learn at twice the rate.
    """
    if not isinstance(module, nn.modules.conv._ConvNd):
        return GroupRule(decays=getattr(module, name).ndim == 4)
    if name == "bias":
        return GroupRule(decays=False, times=BIAS)
    depthwise = module.groups > 1 and module.weight.shape[1] == 1
    return GroupRule(decays=not depthwise or getattr(module, "decays", False))


def parameter_groups(network: nn.Module) -> dict[GroupRule, list[nn.Parameter]]:
    """Returns the parameters of a network, each once, by how they learn."""
    groups: dict[GroupRule, list[nn.Parameter]] = {}
    seen: set[int] = set()
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                groups.setdefault(learning_of(module, name), []).append(parameter)
    return groups


def make_optimiser(network: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """The optimiser of a schedule over the groups of a network's parameters. `set_rate` before each
    step. Adam gives all the same rate: the reference multiplies gradients, whose scale it ignores.
    """
    plain = schedule.optimiser == "sgd"
    groups = [
        {
            "params": parameters,
            "weight_decay": schedule.weight_decay if learning.decays else 0.0,
            TIMES: learning.times if plain else 1.0,
        }
        for learning, parameters in parameter_groups(network).items()
    ]
    if not plain:
        return torch.optim.AdamW(groups, lr=schedule.rate, fused=True)
    return torch.optim.SGD(groups, lr=schedule.rate, momentum=MOMENTUM, fused=True)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Gives each group its multiple of the learning rate of a step."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get(TIMES, 1.0)


def kept_state(network: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Returns all tensors of a network in training and of its optimiser, by name."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        for key, value in optimiser.state[parameter].items():
            if isinstance(value, torch.Tensor):
                tensors[f"{PREFIX}{name}.{key}"] = value
    return tensors


def restore_state(
    network: nn.Module, optimiser: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]
) -> None:
    """Goes on from what `kept_state` gave for the same network and optimiser."""
    network.load_state_dict({name: tensors[f"network.{name}"] for name in network.state_dict()})
    of_it = {n.removeprefix(PREFIX): t for n, t in tensors.items() if n.startswith(PREFIX)}
    restore_optimiser(network, optimiser, of_it)


def restore_optimiser(
    network: nn.Module, optimiser: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]
) -> None:
    """Gives an optimiser its tensors back, named `parameter.key`."""
    known = dict(network.named_parameters())
    for name, value in tensors.items():
        owner, _, key = name.rpartition(".")
        parameter = known[owner]
        alike = value.shape == parameter.shape
        placed = torch.empty_like(parameter).copy_(value) if alike else value.to(parameter.device)
        optimiser.state[parameter][key] = placed.detach()
