"""The search with one supernet: steps, moments, checkpoints. Interrupted, it goes on exactly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from math import isfinite
from pathlib import Path

import torch
from torch import Tensor

from atrous.data.dataset import Progress, Samples
from atrous.relax.bilevel import Losses, State
from atrous.relax.collapse import dominant_eigenvalue, warning_of
from atrous.relax.halves import halves
from atrous.relax.history import NAME, Moment, read_history, write_history
from atrous.spaces.auto_deeplab.relaxation.decoding import decode
from atrous.spaces.auto_deeplab.relaxation.walk import outgoing
from atrous.spaces.auto_deeplab.space import auto_deeplab
from atrous.spaces.auto_deeplab.trellis import MEAN
from atrous.training.checkpoint import load, save
from atrous.training.crops import Batch, crops_of, parts
from atrous.training.optimiser import FINITE_EVERY, NonFiniteError
from atrous.training.world import World

CHECKPOINT = "checkpoint.safetensors"
SAVE_SECONDS = 60
"""A checkpoint is written so often, and at the end."""
HESSIAN_PRODUCTS = 10
"""Products of Hessian and vector for one dominant eigenvalue."""

Watch = Callable[[Moment, str | None], None]
"""Hears of each moment, and of a warning where it is new."""
Taken = tuple[Losses, Batch]
"""The losses of a step, and the batch for the architecture at that step."""


def run(
    state: State, samples: Samples, folder: Path, progress: Progress, watch: Watch
) -> list[Moment]:
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
            history.append(_moment(state, losses, other, before + time.monotonic() - begun))
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


def _resumed(state: State, folder: Path) -> list[Moment]:
    """The history up to the checkpoint, from which the state goes on; nothing without one."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / CHECKPOINT).exists():
        return []
    state.restore(load(folder / CHECKPOINT))
    return [moment for moment in read_history(folder / NAME) if moment.step <= state.step]


def _ended(state: State, history: list[Moment]) -> bool:
    collapsed = state.protocol.stop and _warning(state, history) is not None
    return state.step == state.protocol.steps or collapsed


def _warning(state: State, history: list[Moment]) -> str | None:
    """What speaks for a collapse, once architectures are learnt."""
    return warning_of(history) if state.protocol.learns_at(state.step) else None


def _steps(state: State, samples: Samples) -> Iterator[Taken]:
    """Takes the steps that are left."""
    protocol, world = state.protocol, World(state.compute.device)
    batches, others = (
        parts(crops_of(half, stream, MEAN), stream, state.step, world)
        for number, half in enumerate(halves(samples, protocol.seed))
        if (stream := protocol.stream(number))
    )
    for batch, other in zip(batches, others, strict=True):
        learns = protocol.learns_at(state.step)
        losses = state.advance(batch, other if learns else None)
        if state.step % FINITE_EVERY == 1:
            _finite(losses.weights, state)
        yield losses, other


def _moment(state: State, losses: Losses, other: Batch, seconds: float) -> Moment:
    alpha, beta = (p.detach().cpu() for p in state.supernet.architecture())
    size = state.protocol.size
    genotype = decode(alpha, beta, state.protocol.neutral)
    learnt = losses.architecture
    return Moment(
        step=state.step,
        share=state.step / state.protocol.steps,
        seconds=seconds,
        alpha=tuple(tuple(row) for row in alpha.softmax(1).tolist()),
        beta=tuple(outgoing(beta)),
        loss=_finite(losses.weights, state),
        architecture_loss=None if learnt is None else _finite(learnt, state),
        miou=None,
        temperature=state.temperature,
        architecture=str(auto_deeplab(size.layers, size.blocks).architecture(genotype)),
        eigenvalue=_eigenvalue(state, other) if state.protocol.hessian else None,
    )


def _eigenvalue(state: State, batch: Batch) -> float:
    """The dominant one of the Hessian of the loss on a batch, by the architecture."""

    def loss() -> Tensor:
        device = state.compute.device
        mixture = state.mixture(torch.Generator(device).manual_seed(state.step))
        return state.cross_entropy(batch, mixture)

    start = torch.Generator().manual_seed(state.step)
    parameters = state.supernet.architecture()
    return dominant_eigenvalue(loss, parameters, HESSIAN_PRODUCTS, start)


def _finite(loss: Tensor, state: State) -> float:
    value = float(loss)
    if not isfinite(value):
        raise NonFiniteError(
            f"the loss was {value} at step {state.step} of {state.protocol.steps} of the search"
        )
    return value
