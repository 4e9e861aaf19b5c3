"""The proxy task: how good is a cell, told by training it alone on cached features.

Chen et al. 2018, section 3.3: features of a small backbone are computed once, the backbone stays
frozen, and a candidate trains for a fixed, small number of steps. Every candidate sees the same
batches and draws its first weights by the same rule (common random numbers), so that differences
in score are the architecture's. Deviations from the paper, all for the cost of a step: the loss is
taken at every fourth pixel of each axis instead of all, batch norm decays in proportion to the
number of steps, and images are not augmented.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from atrous.core.architecture import Architecture
from atrous.core.trial import Job, Metrics, Outcome
from atrous.data.dataset import IGNORE
from atrous.estimation.features import FeatureSet
from atrous.estimation.outcome import outcome_of
from atrous.estimation.training import geometry, train
from atrous.networks.compute import Compute
from atrous.networks.interpolation import interpolation, resample
from atrous.spaces import find_space
from atrous.tasks.segmentation.head import Segmenter
from atrous.tasks.segmentation.metrics import confusion, summarise, winners
from atrous.training.loop import branch_norms
from atrous.training.optimiser import Schedule

BATCH = 8
BAND = 1 << 24
"""Scores are interpolated to so many numbers at a time, whatever the size of an image."""


@dataclass(frozen=True)
class Proxy:
    """The estimator: call it with a job to have its outcome. Pickles; holds no state.

    `filters` is the width of the cell.
    """

    training: FeatureSet
    selection: FeatureSet
    classes: int
    filters: int
    schedule: Schedule
    compute: Compute

    def __call__(self, job: Job) -> Outcome:
        """Trains and scores one candidate; failures come back as records, not exceptions."""
        return outcome_of(job, self._measure)

    def network(self, architecture: Architecture, seed: int) -> Segmenter:
        """The untrained candidate, its first weights drawn from the seed."""
        torch.manual_seed(seed)
        space = find_space(architecture.space)
        part = space.build(architecture.genotype, self.training.channels, self.filters)
        return Segmenter(part, self.classes)

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
    roads = geometry(data.crop, network.stride, compute.device)
    loss, pixels = 0.0, 0
    images = zip(predictions(network, data, compute), data.labels(), range(len(data)), strict=True)
    for logits, label, number in images:
        placement = data.placements[number]
        rows, columns = (
            interpolation(
                torch.from_numpy(placement.coordinates(axis)).to(logits.device) / network.stride,
                logits.shape[axis + 1],
            )
            for axis in (0, 1)
        )
        band = max(1, BAND // (classes * len(columns)))
        for part, truth in zip(torch.split(rows, band), torch.split(label, band), strict=True):
            best = winners(resample(logits, part, columns)).cpu()
            counts += confusion(truth, best, classes)
        targets = data.targets[number].to(logits.device).long().unsqueeze(0)
        counted = int((targets != IGNORE).sum())
        loss += float(roads.loss(logits.unsqueeze(0), targets)) * counted
        pixels += counted
    scores = summarise(counts.numpy())
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
