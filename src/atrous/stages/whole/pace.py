"""How fast this machine is at what a whole run is made of."""

from __future__ import annotations

import time
from itertools import islice

import torch

from atrous.core.console import track
from atrous.core.errors import AtrousError
from atrous.core.trial import Failed, Origin, Rung, Trial
from atrous.core.trial import Job as TrialJob
from atrous.networks.compute import cores
from atrous.search.loop import Estimator
from atrous.search.run import Run
from atrous.spaces import find_architecture
from atrous.spaces.blueprint import build_network
from atrous.stages.train.job import Job
from atrous.stages.whole.plan import Pace
from atrous.training.crops import crops_of, parts
from atrous.training.state import TrainingState
from atrous.training.world import World

YARDSTICK = "dpc:aspp"
WARM, TIMED = 2, 3


def measure_pace(run: Run, estimator: Estimator, job: Job) -> Pace:
    """The seconds of a trial of ASPP, and of a training step of the job's network.

    Raises `AtrousError` if the trial fails, or if the memory does not hold a step.
    """
    config = run.config
    trial = Trial(0, find_architecture(YARDSTICK), Origin("pace"), config.seed)
    outcome = estimator(TrialJob(trial, Rung(0, config.proxy.steps)))
    if isinstance(outcome, Failed):
        raise AtrousError(f"A first trial, of {YARDSTICK}, failed: {outcome.error}")
    try:
        step = step_seconds(job)
    except torch.OutOfMemoryError as error:
        raise AtrousError(
            f"Not enough memory on {job.compute.device} to train end to end "
            f"({str(error).splitlines()[0]}). Begin anew with a smaller --batch or --crop, and "
            "another --out."
        ) from error
    return Pace(outcome.seconds, step, run.settings.workers)


def step_seconds(job: Job) -> float:
    """Seconds of a training step, reading and augmenting its images counted."""
    _, training, _ = job.samples()
    world = World(job.compute.device)
    torch.set_num_threads(cores())
    network = build_network(job.blueprint, "none", job.protocol.seed)
    state = TrainingState(network, job.protocol, job.compute, world)
    batches = parts(crops_of(training, job.protocol, network.backbone.mean), job.protocol, 0, world)
    starts: list[float] = []
    for _ in track(range(WARM + TIMED), "timing training steps", WARM + TIMED):
        loss = state.advance(list(islice(batches, job.protocol.accumulate)))
        float(loss)
        starts.append(time.monotonic())
    return (starts[-1] - starts[WARM - 1]) / TIMED
