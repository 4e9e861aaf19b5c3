"""The loop: steps, scores, checkpoints. Interrupted, it goes on to the same result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from math import inf, isfinite
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import nn

from atrous.core.console import untracked
from atrous.core.records import Count, Finite, to_json
from atrous.core.trial import Metrics, Row, Score, values_of
from atrous.data.dataset import Progress, Samples
from atrous.networks.compute import machine_memory
from atrous.networks.network import Network
from atrous.tasks import USUAL
from atrous.tasks.task import Task
from atrous.training.checkpoint import Checkpoint, Log, load, refill, save
from atrous.training.crops import Crops, Started, parts
from atrous.training.optimiser import FINITE_EVERY, NonFiniteError
from atrous.training.state import Best, TrainingState
from atrous.training.world import World

CHECKPOINT, BEST = "checkpoint.safetensors", "best.safetensors"
STEM = "stem.safetensors"
"""The state before the learning rate falls, which a longer training goes on from."""
KEPT = 0.25
"""The share of the machine's memory that maps of a frozen front take at most."""
SAVE_SECONDS = 60
"""A checkpoint is written so often, and with every score."""

Scorer = Callable[[Network], Metrics]
"""Scores a network on the selection images."""
Watch = Callable[[Score, Metrics], None]
"""Hears of each line of the log, and of all that was measured."""
BRANCH_NORMS = "branch_norms"
"""The row, in metrics, of the weight of each branch of a head that can tell."""


@dataclass(frozen=True)
class BestWeights:
    """The record of the weights that scored highest: after which step, and the metrics."""

    step: Count
    metrics: Mapping[str, Finite | Row | None]


@dataclass(frozen=True)
class Selection:
    """Scores a network on the selection images, at full size and a single scale: the score that
    decides which weights are kept. Each process takes its share of the images."""

    samples: Samples
    classes: int
    transform: Callable[..., torch.Tensor]
    world: World
    progress: Progress = untracked
    task: Task = USUAL

    def __call__(self, network: Network) -> Metrics:
        """The metrics over all images and processes. Raises AtrousError for unreadable files."""
        lesson = self.task.lesson()
        counted = lesson.evaluate(
            network,
            self.transform,
            self.samples[self.world.rank :: self.world.size],
            self.classes,
            device=self.world.device,
            label="scoring",
            progress=self.progress,
        )
        total = self.world.total(torch.as_tensor(counted))
        return {
            **lesson.summary(total.cpu().numpy()),
            BRANCH_NORMS: branch_norms(network.head),
        }


@runtime_checkable
class Branched(Protocol):
    """A head that can tell how much each of its branches weighs in what it gives."""

    def branch_norms(self) -> tuple[float, ...]:
        """Returns the weight of each branch, in the order of the branches."""


def branch_norms(head: nn.Module) -> tuple[float, ...]:
    """Returns the weights of a head's branches; none for a head that has no such thing."""
    return head.branch_norms() if isinstance(head, Branched) else ()


def ignore(score: Score, metrics: Metrics) -> None:
    """Hears of scores and does nothing."""


def train(
    state: TrainingState,
    crops: Crops,
    score: Scorer,
    folder: Path,
    progress: Progress,
    watch: Watch = ignore,
    tensorboard: bool = False,
    is_trained: bool = False,
) -> Metrics:
    """Trains to the last step of the protocol and gives the metrics of the best weights kept: those
    it begins with are scored as well where the network `is_trained`, so that it never ends below
    them.

    The folder holds `checkpoint.safetensors`, `best.safetensors` (the weights that scored highest
    by the protocol's `score`, with their metrics) and `log.jsonl`. Where a checkpoint is there, the
    run goes on from it.
    Raises `NonFiniteError` when the loss is no longer a number, and `AtrousError` for what cannot
    be read or written.
    """
    if state.world.leads:
        folder.mkdir(parents=True, exist_ok=True)
    if (folder / CHECKPOINT).exists():
        state.restore(load(folder / CHECKPOINT))
    state.world.wait()
    log = Log(folder, state.step, tensorboard) if state.world.leads else None
    if is_trained and not state.step:
        _score(state, score, None, folder, log, watch)
    saved = time.monotonic()
    for loss in progress(_steps(state, crops), "training", state.protocol.steps - state.step):
        protocol, step = state.protocol, state.step
        goes_on = protocol.rungs and protocol.steps < protocol.rungs[-1]
        if log and goes_on and step == protocol.schedule.stem(protocol.steps):
            save(state.checkpoint(), folder / STEM)
        if step % protocol.score_every == 0 or step == protocol.steps:
            _score(state, score, _finite(loss, state), folder, log, watch)
            saved = -inf
        if log and time.monotonic() - saved > SAVE_SECONDS:
            save(state.checkpoint(), folder / CHECKPOINT)
            saved = time.monotonic()
    state.world.wait()
    return best_metrics(folder)


def _score(
    state: TrainingState,
    score: Scorer,
    loss: float | None,
    folder: Path,
    log: Log | None,
    watch: Watch,
) -> None:
    """Scores the network as it is; keeps it if it is the best, and tells of it."""
    state.world.align(state.scored)
    metrics = score(state.scored)
    if log:
        values, task = values_of(metrics), state.task
        name = state.protocol.score or task.value
        told = {task.value: values[task.value], name: task.objective(name)(values)}
        line = Score(state.step, loss, told)
        _keep_best(state, metrics, line.standing, folder)
        log.add(line)
        watch(line, metrics)


def best_metrics(folder: Path) -> Metrics:
    """The metrics of the best weights of a run; raises `AtrousError`."""
    mend = "Restore the file from a copy, or begin anew."
    found = load(folder / BEST)
    metrics = found.told(BestWeights, "the best weights of a training run", mend).metrics
    return {name: value for name, value in metrics.items() if value is not None}


def load_best(network: Network, folder: Path) -> None:
    """Fills the network with the best weights of a run; raises `AtrousError`."""
    refill(network, load(folder / BEST).under("network"))


def _steps(state: TrainingState, crops: Crops) -> Iterator[torch.Tensor]:
    """The loss of each step that is left."""
    batches = parts(source_of(state, crops), state.protocol, state.step, state.world)
    while state.step < state.protocol.steps:
        loss = state.advance(list(islice(batches, state.protocol.accumulate)))
        if state.step % FINITE_EVERY == 1:
            _finite(loss, state)
        yield loss


def source_of(state: TrainingState, crops: Crops) -> Crops | Started:
    """The crops as the network is given them: after its frozen front, where it has one."""
    if not state.protocol.frozen:
        return crops
    return Started(crops, state.front, KEPT * machine_memory() / state.world.local_size)


def _finite(share: torch.Tensor, state: TrainingState) -> float:
    """The loss of which each process has a share; raises `NonFiniteError` if it is no number."""
    loss = float(state.world.total(share))
    if not isfinite(loss):
        raise NonFiniteError(f"the loss was {loss} at step {state.step} of {state.protocol.steps}")
    return loss


def _keep_best(state: TrainingState, metrics: Metrics, score: float, folder: Path) -> None:
    if state.best.score is not None and score <= state.best.score:
        return
    state.best = Best(score, state.step)
    tensors = {f"network.{k}": v for k, v in state.scored.state_dict().items()}
    save(Checkpoint(tensors, to_json(BestWeights(state.step, metrics))), folder / BEST)
