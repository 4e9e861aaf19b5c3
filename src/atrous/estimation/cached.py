"""The proxy task: how good is a cell, told by training it alone on cached features.

Chen et al. 2018, section 3.3: features of a small backbone are computed once, the backbone stays
frozen, and a candidate trains for a fixed, small number of steps. Every candidate sees the same
batches and draws its first weights by the same rule (common random numbers), so that differences
in score are the architecture's. Deviations from the paper, all for the cost of a step: the loss is
taken at every fourth pixel of each axis instead of all, batch norm decays in proportion to the
number of steps, and images are not augmented.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from atrous.core.architecture import Architecture
from atrous.core.trial import Job, Metrics, Outcome
from atrous.data.canvas import Size, feature_size
from atrous.data.dataset import IGNORE
from atrous.estimation.features import TARGET_STRIDE, FeatureSet
from atrous.estimation.outcome import outcome_of
from atrous.networks.compute import Compute, GraphedGradients
from atrous.networks.layers import interpolation, resample
from atrous.networks.pyramid import Offsets, Pyramid, require_maps
from atrous.spaces import find_space
from atrous.tasks.segmentation import SEGMENTATION
from atrous.tasks.segmentation.evaluate import winners
from atrous.tasks.segmentation.probabilities import Segmenter
from atrous.training.loop import branch_norms
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

BATCH = 8
BAND = 1 << 24
"""Scores are interpolated to so many numbers at a time, whatever the size of an image."""


@dataclass(frozen=True)
class Proxy:
    """The estimator: call it with a job to have its outcome. Pickles; holds no state.

    `filters` is the width of the cell; `offsets` are those of the maps.
    """

    training: FeatureSet
    selection: FeatureSet
    classes: int
    filters: int
    schedule: Schedule
    compute: Compute
    offsets: Offsets = field(default_factory=dict)

    def __call__(self, job: Job) -> Outcome:
        """Trains and scores one candidate; failures come back as records, not exceptions."""
        return outcome_of(job, self._measure)

    def network(self, architecture: Architecture, seed: int) -> Segmenter:
        """The untrained candidate, its first weights drawn from the seed."""
        torch.manual_seed(seed)
        space = find_space(architecture.space)
        part = space.build(architecture.genotype, self.training.channels, self.filters)
        return Segmenter(part, self.classes, self.offsets)

    def fit(self, architecture: Architecture, steps: int, seed: int) -> Segmenter:
        """The candidate, trained. Raises `NonFiniteError` and errors of lacking memory."""
        torch.set_num_threads(self.compute.threads)
        network = self.network(architecture, seed)
        self.compute.arrange(network)
        torch.manual_seed(seed)
        train(
            network,
            self.training,
            self.schedule,
            self.compute,
            steps,
            seed,
        )
        return network

    def evaluate(self, network: Segmenter, data: FeatureSet) -> Metrics:
        """The metrics of a trained candidate on any images of the data set."""
        return evaluate(network, data, self.classes, self.compute)

    def _measure(self, job: Job) -> Metrics:
        return self.evaluate(self.fit(job.architecture, job.steps, job.seed), self.selection)


@torch.inference_mode()
def evaluate(network: Segmenter, data: FeatureSet, classes: int, compute: Compute) -> Metrics:
    """Scores at label resolution over all images; ignored pixels count nowhere.

    Keeps K x K counts and a sum, whatever the number of images. The cross-entropy is taken at
    every fourth pixel of each axis.
    """
    network.eval()
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    roads = geometry(data.crop, network.stride, compute.device, network.offset)
    loss, pixels = 0.0, 0
    images = zip(predictions(network, data, compute), data.labels(), range(len(data)), strict=True)
    for logits, label, number in images:
        placement = data.placements[number]
        rows, columns = (
            interpolation(
                (torch.from_numpy(placement.coordinates(axis)).to(logits.device) - network.offset)
                / network.stride,
                logits.shape[axis + 1],
            )
            for axis in (0, 1)
        )
        band = max(1, BAND // (classes * len(columns)))
        for part, truth in zip(torch.split(rows, band), torch.split(label, band), strict=True):
            best = winners(resample(logits, part, columns)).cpu()
            counts += SEGMENTATION.tally(truth, best, classes)
        targets = data.targets[number].to(logits.device).long().unsqueeze(0)
        counted = int((targets != IGNORE).sum())
        loss += float(roads.loss(logits.unsqueeze(0), targets)) * counted
        pixels += counted
    scores = SEGMENTATION.summary(counts.numpy())
    return Metrics(
        miou=scores.miou,
        mean_accuracy=scores.mean_accuracy,
        pixel_accuracy=scores.pixel_accuracy,
        weighted_iou=scores.weighted_iou,
        cross_entropy=loss / max(1, pixels),
        class_iou=scores.class_iou,
        branch_norms=branch_norms(network.head),
    )


def predictions(network: Segmenter, data: FeatureSet, compute: Compute) -> Iterator[Tensor]:
    """The logits [K, H, W] of each image, in float32, at the part's stride."""
    for start in range(0, len(data), BATCH):
        maps = {
            stride: compute.place(data.features[stride][start : start + BATCH])
            for stride in network.head.reads
        }
        with compute.autocast():
            logits = network(maps)
        yield from logits.float()


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
        total = SEGMENTATION.loss(scores, targets)
        return total / (targets != IGNORE).sum().clamp_min(1)


def geometry(crop: Size, stride: int, device: str, offset: float = 0.0) -> Geometry:
    """The geometry of logits at a stride, on canvases of `crop` (height, width) pixels; position i
    belongs to pixel stride * i + `offset`."""
    lines = (
        interpolation((torch.arange(n, device=device) * TARGET_STRIDE - offset) / stride, size)
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
    road = geometry(data.crop, network.stride, compute.device, network.offset)
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
