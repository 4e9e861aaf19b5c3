"""Trains a part on cached features, for a fixed number of steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.data.canvas import Size, feature_size
from atrous.data.dataset import IGNORE
from atrous.estimation.features import TARGET_STRIDE, FeatureSet
from atrous.networks.compute import Compute
from atrous.networks.cuda_graph import GraphedGradients
from atrous.networks.interpolation import interpolation, resample
from atrous.networks.pyramid import Pyramid, require_maps
from atrous.tasks.segmentation.head import Segmenter
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

Step = Callable[[Pyramid, Tensor, float], Tensor]
"""One step: maps [B, C, H, W] by stride, targets [B, h, w], learning rate -> loss, a scalar."""


@dataclass(frozen=True)
class Geometry:
    """The bilinear road from logits at the part's stride to targets at every fourth pixel."""

    rows: Tensor
    columns: Tensor

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy over the targets that are not ignored; logits [B, K, H, W]."""
        scores = resample(logits.float(), self.rows, self.columns)
        total = functional.cross_entropy(scores, targets, ignore_index=IGNORE, reduction="sum")
        return total / (targets != IGNORE).sum().clamp_min(1)


def geometry(crop: Size, stride: int, device: str) -> Geometry:
    """The geometry of logits at a stride, on canvases of `crop` (height, width) pixels."""
    lines = (
        interpolation(torch.arange(n, device=device) * (TARGET_STRIDE / stride), size)
        for n, size in zip(
            feature_size(crop, TARGET_STRIDE), feature_size(crop, stride), strict=True
        )
    )
    rows, columns = lines
    return Geometry(rows, columns)


def train(
    network: Segmenter,
    data: FeatureSet,
    schedule: Schedule,
    compute: Compute,
    steps: int,
    seed: int,
) -> None:
    """Trains in place. Which images make up which batch depends on `seed` alone.

    Batch norm keeps running means over the last tenth of the run, as the reference's decay of
    0.9997 does in its 30,000 steps. Raises `NonFiniteError`.
    """
    set_norm_decay(network, max(REFERENCE_DECAY, REFERENCE_DECAY * REFERENCE_STEPS / steps))
    road = geometry(data.crop, network.stride, compute.device)
    step = make_step(network, road, schedule, compute)
    network.train()
    require_maps(network.head, data.strides, f"the feature set {data.path}")
    features, targets = resident(data, network.head.reads, compute)
    order = np.array(list(islice(batches(len(data), schedule.batch, seed), steps)), np.int64)
    for number, index in enumerate(torch.from_numpy(order).to(targets.device)):
        batch = {stride: compute.place(maps[index]) for stride, maps in features.items()}
        loss = step(
            batch, targets[index].to(compute.device).long(), schedule.rate_at(number, steps)
        )
        if (number % FINITE_EVERY == 0 or number == steps - 1) and not torch.isfinite(loss):
            raise NonFiniteError(f"the loss was {float(loss)} at step {number + 1} of {steps}")


def resident(data: FeatureSet, strides: Sequence[int], compute: Compute) -> tuple[Pyramid, Tensor]:
    """Features of some strides, and targets, where batches are best gathered: in the accelerator's
    memory if they take less than half of what is free there, else mapped from disk."""
    features = {stride: data.features[stride] for stride in strides}
    if compute.device.startswith("cuda"):
        free, _ = torch.cuda.mem_get_info(compute.device)
        if sum(maps.numel() * maps.element_size() for maps in features.values()) < free / 2:
            there = {stride: maps.to(compute.device) for stride, maps in features.items()}
            return there, data.targets.to(compute.device)
    return features, data.targets


def make_step(network: nn.Module, geometry: Geometry, schedule: Schedule, compute: Compute) -> Step:
    """The training step; on a GPU, forward and backward pass are one CUDA graph."""
    optimiser = make_optimiser(network, schedule)

    def gradients(features: Pyramid, targets: Tensor) -> Tensor:
        optimiser.zero_grad(set_to_none=True)
        with compute.autocast():
            logits = network(features)
        loss = geometry.loss(logits, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    run = GraphedGradients(gradients) if compute.device.startswith("cuda") else gradients

    def step(features: Pyramid, targets: Tensor, rate: float) -> Tensor:
        loss = run(features, targets)
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        return loss

    return step
