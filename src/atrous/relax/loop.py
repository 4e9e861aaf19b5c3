"""The search with one supernet: steps, snapshots, checkpoints. Interrupted, it goes on exactly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from math import isfinite
from pathlib import Path
from random import Random

import torch
from torch import Tensor

from atrous.core.architecture import Architecture
from atrous.core.errors import AtrousError
from atrous.data.dataset import Progress, Samples
from atrous.relax.bilevel import Losses, SearchState
from atrous.relax.collapse import (
    NAME,
    Snapshot,
    dominant_eigenvalue,
    read_history,
    warning_of,
    write_history,
)
from atrous.relax.relaxation import Logits
from atrous.training.checkpoint import load, save
from atrous.training.crops import Batch, crops_of, parts
from atrous.training.optimiser import FINITE_EVERY, NonFiniteError
from atrous.training.world import World

CHECKPOINT = "checkpoint.safetensors"
SAVE_SECONDS = 60
"""A checkpoint is written so often, and at the end."""
HESSIAN_PRODUCTS = 10
"""Products of Hessian and vector for one dominant eigenvalue."""

Watch = Callable[[Snapshot, str | None], None]
"""Hears of each snapshot, and of a warning where it is new."""
Taken = tuple[Losses, Batch]
"""The losses of a step, and the batch for the architecture at that step."""


def run(
    state: SearchState, samples: Samples, folder: Path, progress: Progress, watch: Watch
) -> list[Snapshot]:
    """Searches to the last step of the protocol, or to a collapse where it is to stop at one.

    The folder holds `checkpoint.safetensors` and `relaxation.jsonl`, the history, which is given.
    Where a checkpoint is there, the search goes on from it. Raises `NonFiniteError` for a loss that
    is no number, and `AtrousError` for what cannot be read or written.
    """
    history = _resumed(state, folder)
    if _ended(state, history):
        return history
    begun = saved = time.monotonic()
    before = history[-1].seconds if history else 0.0
    protocol, warned = state.protocol, _warning(state, history) is not None
    for losses, other in progress(_steps(state, samples), "searching", protocol.steps - state.step):
        due = state.step % protocol.record_every == 0 or state.step == protocol.steps
        if due:
            history.append(_snapshot(state, losses, other, before + time.monotonic() - begun))
            warning = _warning(state, history)
            watch(history[-1], None if warned else warning)
            warned = warning is not None
        ended = due and _ended(state, history)
        if ended or time.monotonic() - saved > SAVE_SECONDS:
            write_history(folder / NAME, history)
            save(state.checkpoint(), folder / CHECKPOINT)
            saved = time.monotonic()
        if ended:
            break
    return history


def _resumed(state: SearchState, folder: Path) -> list[Snapshot]:
    """The history up to the checkpoint, from which the state goes on; nothing without one."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / CHECKPOINT).exists():
        return []
    state.restore(load(folder / CHECKPOINT))
    return [snapshot for snapshot in read_history(folder / NAME) if snapshot.step <= state.step]


def _ended(state: SearchState, history: list[Snapshot]) -> bool:
    collapsed = state.protocol.stop and _warning(state, history) is not None
    return state.step == state.protocol.steps or collapsed


def _warning(state: SearchState, history: list[Snapshot]) -> str | None:
    """Says what speaks for a collapse, once architectures are learnt."""
    learns = state.protocol.learns_at(state.step)
    return warning_of(state.relaxation, history) if learns else None


def _steps(state: SearchState, samples: Samples) -> Iterator[Taken]:
    """Takes the steps that are left."""
    protocol, world = state.protocol, World(state.compute.device)
    batches, others = (
        parts(crops_of(half, stream, state.relaxation.mean, state.task), stream, state.step, world)
        for number, half in enumerate(halves(samples, protocol.seed))
        if (stream := protocol.stream(number))
    )
    for batch, other in zip(batches, others, strict=True):
        learns = protocol.learns_at(state.step)
        losses = state.advance(batch, other if learns else None)
        if state.step % FINITE_EVERY == 1:
            _finite(losses.weights, state)
        yield losses, other


def logits_of(state: SearchState) -> Logits:
    """Returns the logits of all groups, on the CPU and without gradient."""
    groups = state.supernet.groups().items()
    return {name: [part.detach().cpu() for part in group.logits] for name, group in groups}


def _snapshot(state: SearchState, losses: Losses, other: Batch, seconds: float) -> Snapshot:
    protocol, logits, learnt = state.protocol, logits_of(state), losses.architecture
    (genotype,) = state.relaxation.candidates(logits, 1, protocol.neutral)
    return Snapshot(
        step=state.step,
        share=state.step / protocol.steps,
        seconds=seconds,
        probabilities={
            name: tuple(tuple(row) for part in parts for row in _rows(part))
            for name, parts in logits.items()
        },
        loss=_finite(losses.weights, state),
        architecture_loss=None if learnt is None else _finite(learnt, state),
        temperature=state.temperature,
        architecture=str(Architecture(protocol.space, genotype)),
        eigenvalue=_eigenvalue(state, other) if protocol.hessian else None,
    )


def _rows(logits: Tensor) -> list[list[float]]:
    """The probabilities of each choice of logits [..., choices]."""
    rows: list[list[float]] = logits.softmax(-1).view(-1, logits.shape[-1]).tolist()
    return rows


def _eigenvalue(state: SearchState, batch: Batch) -> float:
    """The dominant eigenvalue of the Hessian of the loss on a batch, by the architecture."""

    def loss() -> Tensor:
        device = state.compute.device
        mixture = state.mixture(torch.Generator(device).manual_seed(state.step))
        return state.cross_entropy(batch, mixture)

    start = torch.Generator().manual_seed(state.step)
    parameters = state.supernet.architecture()
    return dominant_eigenvalue(loss, parameters, HESSIAN_PRODUCTS, start)


def _finite(loss: Tensor, state: SearchState) -> float:
    value = float(loss)
    if not isfinite(value):
        raise NonFiniteError(
            f"the loss was {value} at step {state.step} of {state.protocol.steps} of the search"
        )
    return value


def halves(samples: Samples, seed: int) -> tuple[Samples, Samples]:
    """Draws two halves of the images, one for the weights and one for the architecture, without an
    image in common; of an odd number, the first has one more.

    Raises `AtrousError` for fewer than two images.
    """
    if len(samples) < 2:
        raise AtrousError(
            f"Expected at least 2 training images, one for the weights and one for the "
            f"architecture, got {len(samples)}. Add images to the train split."
        )
    order = list(range(len(samples)))
    Random(f"halves/{seed}").shuffle(order)
    middle = (len(order) + 1) // 2
    weights, architecture = sorted(order[:middle]), sorted(order[middle:])
    return tuple(samples[i] for i in weights), tuple(samples[i] for i in architecture)
