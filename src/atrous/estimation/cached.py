"""The proxy task: how good is a cell, told by training it alone on cached features.

Chen et al. 2018, section 3.3: features of a small backbone are computed once, the backbone stays
frozen, and a candidate trains for a fixed, small number of steps. Every candidate sees the same
batches and draws its first weights by the same rule (common random numbers), so that differences
in score are the architecture's. Deviations from the paper, all for the cost of a step: the loss is
taken at every fourth pixel of each axis instead of all, batch norm decays in proportion to the
number of steps, and images are not augmented, unless mirror images are asked for. A fourth is for
what a short training shows: unless asked otherwise, weights begin as torch's layers draw them and
learn by AdamW, nearly as much in 100 steps as the reference's way in 400.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

import torch
from torch import Tensor

from atrous.core.architecture import Architecture
from atrous.core.config import Init
from atrous.core.trial import Job, Metrics, Outcome
from atrous.data.canvas import Placement, Size, feature_size
from atrous.estimation.features import FeatureSet
from atrous.estimation.learning import (
    NO_AIDS,
    Aids,
    Stretch,
    Supervision,
    features_of,
    geometry,
    supervised,
    tail,
    train,
)
from atrous.estimation.outcome import Rungs, outcome_of
from atrous.networks.compute import Compute
from atrous.networks.layers import interpolation, resample
from atrous.networks.network import Tail, initialise
from atrous.networks.pyramid import Offsets
from atrous.spaces import find_space
from atrous.tasks import USUAL
from atrous.tasks.task import Task
from atrous.training.loop import BRANCH_NORMS, CHECKPOINT, branch_norms
from atrous.training.optimiser import Schedule

TRAINING_LOSSES = "training_losses"
"""The row, in details, that holds the sum of the losses of all training steps."""
BATCH = 8
BAND = 1 << 24
"""Scores are interpolated to so many numbers at a time, whatever the size of an image."""


@dataclass(frozen=True)
class Proxy:
    """The estimator: call it with a job to have its outcome. Pickles; holds no state.

    `filters` is the width of the cell, `init` the rule for its first weights. Where `resident`,
    all of its features stay in the memory of the accelerator, from one trial of a process to the
    next. `offsets` are those of the maps, `aids` what helps in training, `task` what is learnt.
    With `rungs`, a job goes on from where the rate began to fall on the rung below.
    """

    training: FeatureSet
    selection: FeatureSet
    classes: int
    filters: int
    schedule: Schedule
    compute: Compute
    init: Init = "reference"
    resident: bool = False
    offsets: Offsets = field(default_factory=dict)
    rungs: Rungs | None = None
    aids: Aids = NO_AIDS
    task: Task = USUAL

    def __call__(self, job: Job) -> Outcome:
        """Trains and scores one candidate; failures come back as records, not exceptions."""
        outcome = outcome_of(job, self._measure)
        if self.rungs:
            self.rungs.clear(job, outcome)
        return outcome

    def network(self, architecture: Architecture, seed: int) -> Tail:
        """The untrained candidate, its first weights drawn from the seed."""
        torch.manual_seed(seed)
        space = find_space(architecture.space)
        part = space.build(architecture.genotype, self.training.channels, self.filters)
        network = tail(part, self.classes, self.task, self.offsets)
        initialise(network, self.init)
        return network

    def fit(self, architecture: Architecture, steps: int, seed: int) -> Tail:
        """The candidate, trained. Raises `NonFiniteError` and errors of lacking memory."""
        return self.fitted(architecture, steps, seed)[0]

    def fitted(
        self, architecture: Architecture, steps: int, seed: int, stretch: Stretch | None = None
    ) -> tuple[Tail, Metrics]:
        """The candidate, trained, and what is known of its training. Raises as `fit` does."""
        torch.set_num_threads(self.compute.threads)
        network = self.network(architecture, seed)
        learner = supervised(network, self.aids, self.task)
        if isinstance(learner, Supervision):
            initialise(learner.inner, self.init)
        self.compute.arrange(learner)
        losses = train(
            learner,
            self.training,
            self.schedule,
            self.compute,
            steps,
            seed,
            self.resident,
            stretch,
            self.aids,
            self.task,
        )
        return network, {TRAINING_LOSSES: (losses,)}

    def evaluate(self, network: Tail, data: FeatureSet) -> Metrics:
        """The metrics of a trained candidate on any images of the data set."""
        resident = self.resident and data == self.selection
        return evaluate(network, data, self.classes, self.compute, resident, self.task)

    def _measure(self, job: Job) -> Metrics:
        stretch = self._stretch(self.rungs, job) if self.rungs else None
        network, training = self.fitted(job.architecture, job.steps, job.seed, stretch)
        return {**self.evaluate(network, self.selection), **training}

    def _stretch(self, rungs: Rungs, job: Job) -> Stretch:
        """The part of a trial's training that is left to a job: all of it where there is no state
        to go on from."""
        last = job.rung.level == rungs.top
        after = None if last else rungs.place(job, job.rung.level) / CHECKPOINT
        before = rungs.begins(job, CHECKPOINT)
        first = self.schedule.stem(job.resume.steps) if before and job.resume else 0
        return Stretch(first, before, after)


@torch.inference_mode()
def evaluate(
    network: Tail,
    data: FeatureSet,
    classes: int,
    compute: Compute,
    resident: bool = False,
    task: Task = USUAL,
) -> Metrics:
    """Scores at label resolution over all images; ignored pixels count nowhere.

    Keeps a tally and a sum on the device, whatever the number of images, and waits for an
    accelerator a few times for each group of images. The loss is taken at every fourth pixel of
    each axis.
    """
    network.eval()
    device, lesson = compute.device, task.lesson()
    tallies: Tensor | int = 0
    loss = torch.zeros((), dtype=torch.float64, device=device)
    pixels = torch.zeros((), dtype=torch.int64, device=device)
    road = geometry(data.crop, network.stride, device, network.offset, task)
    labels = data.labels()
    for logits, numbers in _grouped(predictions(network, data, compute, resident), data, device):
        truth = torch.stack(list(islice(labels, len(numbers)))).to(device)
        where = data.placements[numbers[0]]
        rows, columns = _lines(where, data.crop, network.stride, network.offset, device)
        band = max(1, BAND // (logits.shape[:2].numel() * len(columns)))
        for part, some in zip(torch.split(rows, band), torch.split(truth, band, 1), strict=True):
            scores = resample(logits.flatten(0, 1), part, columns)
            answers = lesson.answer(scores.view(*logits.shape[:2], *scores.shape[1:]))
            tallies = tallies + lesson.tally(some, answers, classes)
        targets = data.targets[numbers[0] : numbers[-1] + 1].to(device).long()
        counted = lesson.labelled(targets)
        loss += road.loss(logits, targets).double() * counted
        pixels += counted
    return {
        **lesson.summary(torch.as_tensor(tallies).cpu().numpy()),
        task.loss: float(loss) / max(1, int(pixels)),
        BRANCH_NORMS: branch_norms(network.head),
    }


def predictions(
    network: Tail, data: FeatureSet, compute: Compute, resident: bool
) -> Iterator[Tensor]:
    """The logits [B, K, H, W] of `BATCH` images after `BATCH` others, in float32, at the part's
    stride."""
    features = features_of(data, network, compute, resident)
    for start in range(0, len(data), BATCH):
        maps = {s: compute.place(each[start : start + BATCH]) for s, each in features.items()}
        with compute.autocast():
            logits = network(maps)
        yield logits.float()


def _grouped(
    batches: Iterator[Tensor], data: FeatureSet, device: str
) -> Iterator[tuple[Tensor, range]]:
    """Logits of neighbours that lie alike on the canvas, as many as are faster together: on a CPU,
    one, whose scores stay in its caches."""
    first = 0
    for logits in batches:
        start = 0
        for stop in range(1, len(logits) + 1):
            ends = stop == len(logits) or device == "cpu"
            if ends or data.placements[first + stop] != data.placements[first + start]:
                yield logits[start:stop], range(first + start, first + stop)
                start = stop
        first += len(logits)


@lru_cache(maxsize=64)
def _lines(
    placement: Placement, crop: Size, stride: int, offset: float, device: str
) -> tuple[Tensor, Tensor]:
    """The matrices that read logits on a canvas at the rows, and at the columns, of an image."""
    rows, columns = (
        interpolation(
            (torch.from_numpy(placement.coordinates(axis)).to(device) - offset) / stride,
            feature_size(crop, stride)[axis],
        )
        for axis in (0, 1)
    )
    return rows, columns
