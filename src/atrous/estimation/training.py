"""Trains a head on cached features, for a fixed number of steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.data.dataset import IGNORE
from atrous.estimation.features import TARGET_STRIDE, FeatureSet
from atrous.networks.compute import Compute
from atrous.networks.cuda_graph import GraphedGradients
from atrous.networks.interpolation import interpolation, resample
from atrous.training.optimiser import (
    FINITE_EVERY,
    REFERENCE_DECAY,
    REFERENCE_STEPS,
    NonFiniteError,
    Schedule,
    batches,
    make_optimiser,
    set_norm_decay,
)

Step = Callable[[Tensor, Tensor, float], Tensor]
"""One step: features [B, C, H, W], targets [B, h, w], learning rate -> loss, a scalar."""


@dataclass(frozen=True)
class Geometry:
    """The bilinear road from logits at the output stride to targets at every fourth pixel."""

    rows: Tensor
    columns: Tensor

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy over the targets that are not ignored; logits [B, K, H, W]."""
        scores = resample(logits.float(), self.rows, self.columns)
        total = functional.cross_entropy(scores, targets, ignore_index=IGNORE, reduction="sum")
        return total / (targets != IGNORE).sum().clamp_min(1)


def geometry(data: FeatureSet, output_stride: int, device: str) -> Geometry:
    """The geometry of a feature set."""
    lines = (
        interpolation(torch.arange(n, device=device) * (TARGET_STRIDE / output_stride), size)
        for n, size in zip(data.targets.shape[1:], data.features.shape[2:], strict=True)
    )
    rows, columns = lines
    return Geometry(rows, columns)


def train(
    network: nn.Module,
    data: FeatureSet,
    schedule: Schedule,
    compute: Compute,
    output_stride: int,
    steps: int,
    seed: int,
) -> None:
    """Trains in place. Which images make up which batch depends on `seed` alone.

    Batch norm keeps running means over the last tenth of the run, as the reference's decay of
    0.9997 does in its 30,000 steps. Raises `NonFiniteError`.
    """
    set_norm_decay(network, max(REFERENCE_DECAY, REFERENCE_DECAY * REFERENCE_STEPS / steps))
    step = make_step(network, geometry(data, output_stride, compute.device), schedule, compute)
    network.train()
    features, targets = resident(data, compute)
    order = np.array(list(islice(batches(len(data), schedule.batch, seed), steps)), np.int64)
    for number, index in enumerate(torch.from_numpy(order).to(features.device)):
        batch = features[index].to(compute.device, compute.dtype)
        batch = batch.contiguous(memory_format=compute.memory_format)
        loss = step(
            batch, targets[index].to(compute.device).long(), schedule.rate_at(number, steps)
        )
        if (number % FINITE_EVERY == 0 or number == steps - 1) and not torch.isfinite(loss):
            raise NonFiniteError(f"the loss was {float(loss)} at step {number + 1} of {steps}")


def resident(data: FeatureSet, compute: Compute) -> tuple[Tensor, Tensor]:
    """Features and targets where batches are best gathered: in the accelerator's memory if they
    take less than half of what is free there, else mapped from disk."""
    if compute.device.startswith("cuda"):
        free, _ = torch.cuda.mem_get_info(compute.device)
        if data.features.numel() * data.features.element_size() < free / 2:
            return data.features.to(compute.device), data.targets.to(compute.device)
    return data.features, data.targets


def make_step(network: nn.Module, geometry: Geometry, schedule: Schedule, compute: Compute) -> Step:
    """The training step; on a GPU, forward and backward pass are one CUDA graph."""
    optimiser = make_optimiser(network, schedule)

    def gradients(features: Tensor, targets: Tensor) -> Tensor:
        optimiser.zero_grad(set_to_none=True)
        with compute.autocast():
            logits = network(features)
        loss = geometry.loss(logits, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    run = GraphedGradients(gradients) if compute.device.startswith("cuda") else gradients

    def step(features: Tensor, targets: Tensor, rate: float) -> Tensor:
        loss = run(features, targets)
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        return loss

    return step
