"""How a part learns from cached features: which images make up a batch, the loss, the steps, and
what may help it, as Nekrasov et al. 2019 do (section 3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from atrous.data.canvas import Size, feature_size
from atrous.estimation.features import TARGET_STRIDE, FeatureSet
from atrous.networks.compute import Compute, GraphedGradients, card_memory, cards
from atrous.networks.layers import interpolation, resample
from atrous.networks.network import Tail
from atrous.networks.pyramid import IN_PLACE, Offsets, Part, Pyramid, Supervised, require_maps
from atrous.tasks import USUAL
from atrous.tasks.task import Lesson, Task
from atrous.training.checkpoint import Checkpoint, load, refill, save
from atrous.training.optimiser import (
    FINITE_EVERY,
    NonFiniteError,
    Schedule,
    batches,
    kept_state,
    make_optimiser,
    restore_state,
    set_norm_decay,
    set_rate,
)
from atrous.training.state import averaged, mixed_seed


@dataclass(frozen=True)
class Stretch:
    """The part of a training after step `first`, from the state kept in the file `before`; what a
    longer training goes on from is kept in `after`."""

    first: int
    before: Path | None
    after: Path | None


AT_A_TIME = 4096
"""Batches whose numbers an accelerator is given at a time."""
LOSSES = "losses"
"""The name of the sum of the losses of all steps, in a checkpoint."""
DISTILLATION = 0.3
"""The weight of the mean squared difference from a teacher's class scores."""


@dataclass(frozen=True)
class Aids:
    """Helps in training that leave nothing behind in the part; none unless asked for.

    `auxiliary` is the weight of the loss of each auxiliary cell, `average` the decay of a moving
    average of the weights, which is what remains; `teacher` holds class scores [N, K, h, w] of
    another network for the training images, at every fourth pixel, in the order of their maps.
    """

    auxiliary: float = 0.0
    average: float = 0.0
    teacher: FeatureSet | None = None


NO_AIDS = Aids()


class Step(Protocol):
    """One step of training."""

    def __call__(self, features: Pyramid, targets: Tensor, rate: float, *taught: Tensor) -> Tensor:
        """Maps [B, C, H, W] by stride, targets [B, h, w], learning rate, a teacher's class scores
        [B, K, h, w] where there is one -> loss, a scalar."""


@dataclass(frozen=True)
class Geometry:
    """The bilinear road from logits at the part's stride to targets at every fourth pixel."""

    rows: Tensor
    columns: Tensor
    lesson: Lesson

    def loss(self, logits: Tensor, targets: Tensor, taught: Tensor | None = None) -> Tensor:
        """Mean loss over the targets that are not ignored; logits [B, K, H, W].

        Where a teacher's scores are given, `DISTILLATION` times the mean squared difference from
        them is added, over all positions, labelled or not.
        """
        scores = resample(logits.float(), self.rows, self.columns)
        total = self.lesson.loss(scores, targets)
        loss = total / self.lesson.labelled(targets).clamp_min(1)
        if taught is None:
            return loss
        return loss + DISTILLATION * functional.mse_loss(scores, taught.float())


def geometry(
    crop: Size, stride: int, device: str, offset: float = 0.0, task: Task = USUAL
) -> Geometry:
    """The geometry of logits at a stride, on canvases of `crop` (height, width) pixels; position i
    belongs to pixel stride * i + `offset`."""
    lines = (
        interpolation((torch.arange(n, device=device) * TARGET_STRIDE - offset) / stride, size)
        for n, size in zip(
            feature_size(crop, TARGET_STRIDE), feature_size(crop, stride), strict=True
        )
    )
    rows, columns = lines
    return Geometry(rows, columns, task.lesson())


def tail(part: Part, classes: int, task: Task = USUAL, offsets: Offsets = IN_PLACE) -> Tail:
    """A part with the last layer of a task, whose first weights are drawn."""
    return Tail(part, task.lesson().head(part.channels, classes, part.kernel), offsets)


class Supervision(nn.Module):
    """A network with an auxiliary one on each map inside its part: gives the logits of all."""

    def __init__(self, network: Tail, task: Task = USUAL) -> None:
        super().__init__()
        head, classes = network.head, network.logits.out_channels
        if not isinstance(head, Supervised):
            raise TypeError(f"{type(head).__name__} has no maps inside")
        self.network = network
        inner = (tail(part, classes, task, head.offsets) for part in head.auxiliary())
        self.inner = nn.ModuleList(inner)

    def forward(self, maps: Pyramid) -> tuple[Tensor, ...]:
        """Maps by stride -> logits [B, K, H, W] of the network, then of each auxiliary one."""
        found, inner = cast(Supervised, self.network.head).inside(maps)
        pairs = zip(cast(Iterable[Tail], self.inner), inner, strict=True)
        others = (auxiliary({auxiliary.stride: one}) for auxiliary, one in pairs)
        return (self.network.logits(found), *others)


def supervised(network: Tail, aids: Aids, task: Task = USUAL) -> Supervision | Tail:
    """The network with auxiliary cells, where those are asked for and it can have some."""
    able = aids.auxiliary and isinstance(network.head, Supervised)
    return Supervision(network, task) if able else network


@dataclass(frozen=True)
class WeighedLoss:
    """The loss of a `Supervision`: the roads of its network and its auxiliary ones, the latters'
    losses times `weight`."""

    roads: tuple[Geometry, ...]
    weight: float

    def loss(
        self, logits: tuple[Tensor, ...], targets: Tensor, taught: Tensor | None = None
    ) -> Tensor:
        """A scalar; a teacher is listened to by the network alone."""
        (road, own), *others = zip(self.roads, logits, strict=True)
        loss = road.loss(own, targets, taught)
        for each, found in others:
            loss = loss + self.weight * each.loss(found, targets)
        return loss


def train(
    network: Tail | Supervision,
    data: FeatureSet,
    schedule: Schedule,
    compute: Compute,
    steps: int,
    seed: int,
    resident: bool = False,
    stretch: Stretch | None = None,
    aids: Aids = NO_AIDS,
    task: Task = USUAL,
) -> float:
    """Trains in place, all `steps` or a stretch of them; returns the sum of the losses of all steps
    so far. Which images make up which batch, and which of them are mirrored, depends on `seed`
    alone.

    Batch norm keeps running means over the last tenth of the run, as the reference's decay of
    0.9997 does in its 30,000 steps. Raises `NonFiniteError`.
    """
    own = network.network if isinstance(network, Supervision) else network
    state = _State(
        network,
        make_optimiser(network, schedule),
        averaged(own, aids.average),
        torch.zeros((), dtype=torch.float64, device=compute.device),
    )
    first, turns = stretch.first if stretch else 0, schedule.turns(steps)
    if stretch and stretch.before:
        state.restore(stretch.before)
    loss_of = _loss_of(network, data, compute, aids, task)
    network.train()
    require_maps(own.head, data.strides, f"the feature set {data.path}")
    order = islice(order_of(data, schedule.batch, steps, seed), first, None)
    parts = _batches(own, data, aids.teacher, order, compute, resident)
    keep_at = schedule.stem(steps) if stretch and stretch.after else -1
    for number, (batch, (targets, *taught)) in enumerate(parts, first):
        if number == keep_at and stretch and stretch.after:
            state.keep(stretch.after, number)
        if number == first or number in turns:
            # So a rung begins alike whether the steps before it are taken now or were kept. A graph
            # holds the decay of the norms as it was when it was captured.
            torch.manual_seed(mixed_seed(seed, number) if number else seed)
            set_norm_decay(network, schedule.norm_decay_at(number, steps))
            step = make_step(network, loss_of, state.optimiser, compute)
        loss = step(batch, targets, schedule.rate_at(number, steps), *taught)
        state.losses.add_(loss)
        if state.average:
            state.average.update_parameters(own)
        if (number % FINITE_EVERY == 0 or number == steps - 1) and not torch.isfinite(loss):
            raise NonFiniteError(f"the loss was {float(loss)} at step {number + 1} of {steps}")
    if state.average:
        own.load_state_dict(state.average.module.state_dict())
    return float(state.losses)


@dataclass(frozen=True)
class _State:
    """All that changes while a part learns."""

    network: Tail | Supervision
    optimiser: torch.optim.Optimizer
    average: AveragedModel | None
    losses: Tensor

    def restore(self, path: Path) -> None:
        before = load(path)
        self.losses.copy_(before.tensors[LOSSES])
        restore_state(self.network, self.optimiser, before.tensors)
        if self.average:
            refill(self.average, before.under("average"))

    def keep(self, path: Path, steps: int) -> None:
        average = self.average.state_dict() if self.average else {}
        tensors = kept_state(self.network, self.optimiser)
        tensors |= {f"average.{name}": each for name, each in average.items()}
        tensors[LOSSES] = self.losses
        save(Checkpoint(tensors, {"step": steps}), path)


def _batches(
    network: Tail,
    data: FeatureSet,
    teacher: FeatureSet | None,
    order: Iterator[npt.NDArray[np.int64]],
    compute: Compute,
    resident: bool,
) -> Iterator[tuple[Pyramid, tuple[Tensor, ...]]]:
    """Maps by stride of the images of each batch, and what is to be learnt of them: targets, and a
    teacher's class scores if there is one; all on the device."""
    features = features_of(data, network, compute, resident)
    targets = _kept(data, None, compute.device) if resident else data.targets
    taught = None
    if teacher is not None:
        scores = TARGET_STRIDE
        taught = _kept(teacher, scores, compute.device) if resident else teacher.features[scores]
    for index in _placed(order, targets.device):
        maps = {stride: compute.place(each[index]) for stride, each in features.items()}
        told = targets[index].to(compute.device).long()
        if taught is None:
            yield maps, (told,)
        else:
            yield maps, (told, taught[index].to(compute.device))


def _loss_of(
    network: Tail | Supervision, data: FeatureSet, compute: Compute, aids: Aids, task: Task
) -> Geometry | WeighedLoss:
    def road(one: Tail) -> Geometry:
        return geometry(data.crop, one.stride, compute.device, one.offset, task)

    if isinstance(network, Tail):
        return road(network)
    inner = cast(Iterable[Tail], network.inner)
    return WeighedLoss((road(network.network), *map(road, inner)), aids.auxiliary)


def order_of(
    data: FeatureSet, batch: int, steps: int, seed: int
) -> Iterator[npt.NDArray[np.int64]]:
    """Yields the numbers [batch] of the maps that each batch is made of.

    Each pass over the images is shuffled anew. Where there are mirror images, chance takes those
    or the others, as a function of the seed and the number of the batch.
    """
    for number, images in enumerate(islice(batches(data.images, batch, seed), steps)):
        chosen = np.array(images, np.int64)
        if data.images < len(data):
            mirror = np.random.default_rng((seed, number)).integers(2, size=len(chosen))
            chosen += data.images * mirror
        yield chosen


def _placed(order: Iterator[npt.NDArray[np.int64]], device: torch.device) -> Iterator[Tensor]:
    """The numbers of each batch on a device, which waits once for many of them."""
    while few := list(islice(order, AT_A_TIME)):
        yield from torch.from_numpy(np.stack(few)).to(device)


def features_of(data: FeatureSet, network: Tail, compute: Compute, resident: bool) -> Pyramid:
    """The maps that a network reads, by stride: in the accelerator's memory where they are
    `resident`, else mapped from disk."""
    strides = network.head.reads
    if resident:
        return {stride: _kept(data, stride, compute.device) for stride in strides}
    return {stride: data.features[stride] for stride in strides}


@lru_cache(maxsize=32)
def _kept(data: FeatureSet, stride: int | None, device: str) -> Tensor:
    """The maps of a stride, or the targets, on the device, for all trials of this process."""
    with torch.inference_mode(False):
        return (data.targets if stride is None else data.features[stride]).to(device)


def are_resident(sets: Sequence[FeatureSet], device: str, workers: int) -> bool:
    """Whether features stay in the memory of an accelerator: if those of all workers that share one
    take less than half of it.

    So it depends on the machine and the run alone, not on what else is there at the moment.
    """
    if memory := card_memory(device):
        sharing = -(-workers // cards(device))
        return 2 * sharing * sum(data.size for data in sets) < memory
    return False


def make_step(
    network: nn.Module,
    geometry: Geometry | WeighedLoss,
    optimiser: torch.optim.Optimizer,
    compute: Compute,
) -> Step:
    """The training step; on a GPU, forward and backward pass are one CUDA graph."""

    def gradients(features: Pyramid, *targets: Tensor) -> Tensor:
        optimiser.zero_grad(set_to_none=True)
        with compute.autocast():
            logits = network(features)
        loss = geometry.loss(logits, *targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    run = GraphedGradients(gradients) if compute.device.startswith("cuda") else gradients

    def step(features: Pyramid, targets: Tensor, rate: float, *taught: Tensor) -> Tensor:
        loss = run(features, targets, *taught)
        set_rate(optimiser, rate)
        optimiser.step()
        return loss

    return step
