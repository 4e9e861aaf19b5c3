"""The estimator of re-ranking: a candidate trained end to end with its backbone.

Chen et al. 2018, section 4.3: the best candidates of the proxy are ranked again by fine-tuning
the whole network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from atrous.core.architecture import Architecture
from atrous.core.console import untracked
from atrous.core.trial import Job, Metrics, Outcome
from atrous.data.dataset import Samples
from atrous.data.transform import Transform
from atrous.estimation.cached import Proxy
from atrous.estimation.outcome import Rungs, outcome_of
from atrous.networks.compute import Compute
from atrous.networks.network import Network
from atrous.spaces.blueprint import Blueprint, blank_network, build_network
from atrous.tasks import find_task
from atrous.training.checkpoint import load
from atrous.training.config import RATE, SCRATCH_RATE, Protocol
from atrous.training.crops import crops_of, require_step
from atrous.training.loop import CHECKPOINT, STEM, Selection, train
from atrous.training.state import TrainingState, promoted
from atrous.training.world import World


@dataclass(frozen=True)
class FineTune:
    """Call it with a job to have its outcome. Pickles; keeps its state in files.

    `blueprint` and `protocol` hold for all candidates but for architecture, steps and seed, which
    are the job's. A trial that is interrupted goes on from its checkpoint in `folder`, and one that
    is promoted from that of the rung below; `top` is the highest rung. Without a `start`, cells
    begin with random weights.
    """

    blueprint: Blueprint
    weights: str
    training: Samples
    selection: Samples
    protocol: Protocol
    compute: Compute
    folder: Path
    start: WarmStart | None = None
    top: int = 0

    def __call__(self, job: Job) -> Outcome:
        """Trains and scores one candidate; failures come back as records, not exceptions."""
        outcome = outcome_of(job, self._measure)
        self._rungs.clear(job, outcome)
        return outcome

    @property
    def _rungs(self) -> Rungs:
        return Rungs(self.folder, self.top)

    def _folder(self, job: Job) -> Path:
        return self._rungs.place(job, job.rung.level)

    def _measure(self, job: Job) -> Metrics:
        torch.set_num_threads(self.compute.threads)
        world = World(self.compute.device)
        blueprint = replace(self.blueprint, architecture=job.architecture)
        protocol = replace(self.protocol, steps=job.steps, score_every=job.steps, seed=job.seed)
        require_step(blank_network(blueprint), protocol, world)
        network = build_network(blueprint, self.weights, job.seed)
        begins = not (self._folder(job) / CHECKPOINT).exists()
        below = self._rungs.begins(job, STEM)
        warm = self.start is not None and begins and below is None
        if self.start and warm:
            self.start(network, job.architecture, job.seed)
            torch.set_num_threads(self.compute.threads)
        task = find_task(blueprint.task)
        state = TrainingState(network, protocol, self.compute, world, task)
        if begins and below:
            state.restore(promoted(load(below), protocol))
        crops = crops_of(self.training, protocol, network.backbone.mean, task)
        transform = Transform(network.backbone.mean, network.backbone.std)
        score = Selection(self.selection, len(blueprint.classes), transform, world, task=task)
        folder = self._folder(job)
        return train(state, crops, score, folder, untracked, is_trained=warm)


SHORT = 500
"""With fewer steps, a warm start is changed gently: the statistics of batch norm stay, and the rate
is low. Tuned on few images for so short a time, they would be noise when the training ends."""
GENTLE_RATE = 0.0005
"""The base learning rate of a gentle training."""


@dataclass(frozen=True)
class WarmStart:
    """Trains a cell on the cached features of a search, for `steps` steps. Pickles."""

    proxy: Proxy
    steps: int

    def __call__(self, network: Network, architecture: Architecture, seed: int) -> None:
        """Fills the network's cell and class scores. Raises `NonFiniteError`."""
        trained = self.proxy.fit(architecture, self.steps, seed)
        network.head.load_state_dict(trained.head.state_dict())
        network.logits.load_state_dict(trained.logits.state_dict())


def is_gentle(steps: int, warm: bool, weights: str) -> bool:
    """Whether a training keeps close to its start, whose statistics must be known for that: not
    with a cold start, nor with backbone `weights` of `none`."""
    return steps < SHORT and warm and weights != "none"


def usual_rate(gentle: bool, scratch: bool = False) -> float:
    """The base learning rate unless another is asked for: the paper's, that of a gentle training,
    or that of a network that starts from `scratch`."""
    if gentle:
        return GENTLE_RATE
    return SCRATCH_RATE if scratch else RATE
