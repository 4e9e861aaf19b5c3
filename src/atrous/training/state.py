"""A network in training: its weights, its optimiser, their moving average, the best so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from atrous.core.errors import AtrousError
from atrous.core.records import Count, Finite, to_json
from atrous.networks.compute import Compute
from atrous.networks.layers import set_drop_path
from atrous.networks.network import Begun, Network
from atrous.tasks import USUAL
from atrous.tasks.task import Lesson, Task
from atrous.training.checkpoint import Checkpoint, refill
from atrous.training.config import Protocol
from atrous.training.crops import Batch, BegunBatch
from atrous.training.optimiser import (
    kept_state,
    make_optimiser,
    restore_optimiser,
    set_norm_decay,
    set_rate,
)
from atrous.training.world import World


@dataclass(frozen=True)
class Best:
    """The highest selection score so far, `None` before the first, and the step after which it was
    taken."""

    score: Finite | None = None
    step: Count = 0


@dataclass(frozen=True)
class TrainingProgress:
    """The record of a checkpoint: the steps taken, of all in the protocol, and the best so far."""

    step: Count
    best: Best
    protocol: Protocol

    def __post_init__(self) -> None:
        """Raises `ValueError` for steps that were never taken."""
        require_steps(self.step, self.protocol.steps)
        if self.best.step > self.step:
            raise ValueError(f"best.step is {self.best.step}, after step {self.step}")


class TrainingState:
    """Everything that changes while a network is trained; `step` counts the steps taken."""

    def __init__(
        self,
        network: Network,
        protocol: Protocol,
        compute: Compute,
        world: World,
        task: Task = USUAL,
    ) -> None:
        compute.arrange(network)
        self.protocol, self.compute, self.world, self.task = protocol, compute, world, task
        self.step, self.best = 0, Best()
        set_norm_decay(network.freeze(protocol.frozen), self._norm_decay)
        self.network = cast(Network, world.synchronise_norms(network))
        self._wrapped = world.wrap(self.network)
        self._optimiser = make_optimiser(self.network, protocol.schedule)
        self._average = averaged(self.network, protocol.average)
        mean, std = network.backbone.mean, network.backbone.std
        self._loss = batch_loss(task, compute, mean, std, protocol.class_weights)

    def front(self, images: Tensor) -> Begun:
        """Images uint8 [B, 3, H, W] after the frozen front of the network."""
        with self.compute.autocast():
            return self.network.begin(self._loss.pixels(images))

    @torch.inference_mode()
    def answer(self, images: Tensor) -> Tensor:
        """Images uint8 [B, 3, H, W] -> what the network says of them."""
        with self.compute.autocast():
            return cast(Tensor, self.network(self._loss.pixels(images)))

    @property
    def _norm_decay(self) -> float:
        return self.protocol.schedule.norm_decay_at(self.step, self.protocol.steps)

    @property
    def scored(self) -> Network:
        """The network that is scored and kept: the moving average where there is one."""
        return cast(Network, self._average.module) if self._average else self.network

    def advance(self, parts: Sequence[Batch | BegunBatch]) -> Tensor:
        """One step on this process's parts of a batch.

        Gives its share of the loss, a scalar that carries no gradient: the loss is the mean over
        the pixels of the whole batch, whatever parts and processes it is worked on in.
        """
        torch.manual_seed(mixed_seed(self.protocol.seed, self.step, self.world.rank))
        self._wrapped.train()
        if self.protocol.rungs:
            set_norm_decay(self.network.freeze(self.protocol.frozen), self._norm_decay)
        set_drop_path(self.network, self.protocol.drop_path, self.step / self.protocol.steps)
        if not self.protocol.tune_norm:
            _freeze_norms(self.network)
        self._optimiser.zero_grad(set_to_none=True)
        parts = [_sparse(part, self.protocol.loss_every) for part in parts]
        counted = self.world.total(sum(map(self._labelled, parts), torch.tensor(0)))
        pixels = counted.clamp_min(1).to(self.compute.device)
        loss = torch.stack([self._gradients(part, pixels) for part in parts]).sum()
        set_rate(self._optimiser, self.protocol.schedule.rate_at(self.step, self.protocol.steps))
        self._optimiser.step()
        if self._average:
            self._average.update_parameters(self.network)
        self.step += 1
        return loss

    def checkpoint(self) -> Checkpoint:
        """The state, to be restored into a new one of the same network and protocol."""
        tensors = kept_state(self.network, self._optimiser)
        if self._average:
            tensors |= {f"average.{k}": v for k, v in self._average.state_dict().items()}
        return Checkpoint(tensors, to_json(TrainingProgress(self.step, self.best, self.protocol)))

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes on from a checkpoint; raises `AtrousError` if it is of another training run."""
        mend = "Delete it to train from the beginning."
        found = checkpoint.told(TrainingProgress, "the checkpoint of a training run", mend)
        step, best, protocol = found.step, found.best, found.protocol
        if protocol != self.protocol:
            raise AtrousError(
                f"Expected a checkpoint of a run under {self.protocol}, got one under {protocol}. "
                "Delete it to train from the beginning."
            )
        refill(self.network, checkpoint.under("network"))
        if self._average:
            refill(self._average, checkpoint.under("average"))
        restore_optimiser(self.network, self._optimiser, checkpoint.under("optimiser"))
        self.step, self.best = step, best

    def _labelled(self, part: Batch | BegunBatch) -> Tensor:
        return self._loss.lesson.labelled(part[1])

    def _gradients(self, part: Batch | BegunBatch, count: Tensor) -> Tensor:
        loss = self._loss(self._wrapped, part, every=self.protocol.loss_every) / count
        (loss * self.world.size).backward()  # type: ignore[no-untyped-call]
        return loss.detach()


def _sparse(part: Batch | BegunBatch, every: int) -> Batch | BegunBatch:
    """A batch with the labels of every few pixels of each axis."""
    return cast(Batch | BegunBatch, (part[0], part[1][:, ::every, ::every]))


def require_steps(taken: int, all_of_them: int) -> None:
    """Raises `ValueError` if more steps were taken than there are."""
    if taken > all_of_them:
        raise ValueError(f"step is {taken}, of the {all_of_them} that protocol.steps has")


def promoted(checkpoint: Checkpoint, protocol: Protocol) -> Checkpoint:
    """A moment of a shorter training as one of a longer one, which begins alike; what was best in
    the shorter one does not count."""
    record = {**checkpoint.record, "protocol": to_json(protocol), "best": to_json(Best())}
    return Checkpoint(checkpoint.tensors, record)


def averaged(network: nn.Module, decay: float) -> AveragedModel | None:
    """Returns a moving average of a network's weights and running means; `None` without decay."""
    if not decay:
        return None

    def add(averages: Any, values: Any, count: Tensor | int) -> None:
        # The model's own count is on the CPU; `count` is on the device, which reading waits for.
        young = decay_after(int(model.n_averaged), decay)
        get_ema_multi_avg_fn(young)(averages, values, count)  # type: ignore[no-untyped-call]

    model = AveragedModel(network, multi_avg_fn=add, use_buffers=True)
    return model


def decay_after(count: int, decay: float) -> float:
    """Returns the decay of an average of `count` values so far: `decay`, or less while it is young.

    min(decay, (1 + t) / (10 + t)), as TensorFlow's `ExponentialMovingAverage` has it for a number
    of updates t: a young average follows the last ninth of its values, and forgets the first.
    """
    return min(decay, (1 + count) / (10 + count))


@dataclass(frozen=True)
class BatchLoss:
    """The loss of a network on a batch, as its task has it: the sum over all that is labelled, each
    times the weight of its class where there are `weights` [K].

    Images are normalised by `mean` and `std` [3, 1, 1] of RGB in 0 .. 255, and products computed
    as the machine has it.
    """

    lesson: Lesson
    compute: Compute
    mean: Tensor
    std: Tensor
    weights: Tensor | None

    def __call__(
        self, network: nn.Module, batch: Batch | BegunBatch, *mixture: Any, **options: Any
    ) -> Tensor:
        """Returns a scalar with its gradient; a relaxed network is given its `mixture`."""
        images, labels = batch
        labels = labels.to(self.compute.device, non_blocking=True)
        pixels = self._placed(images) if isinstance(images, Begun) else self.pixels(images)
        with self.compute.autocast():
            answers = network(pixels, *mixture, **options)
        return self.lesson.loss(answers, labels.long(), self.weights)

    def pixels(self, images: Tensor) -> Tensor:
        """Images uint8 [B, 3, H, W] as a network takes them, on its device."""
        placed = images.to(self.compute.device, non_blocking=True).float()
        return ((placed - self.mean) / self.std).contiguous(
            memory_format=self.compute.memory_format
        )

    def _placed(self, begun: Begun) -> Begun:
        maps = {stride: self.compute.place(each) for stride, each in begun.maps.items()}
        return Begun(maps, begun.size)


def batch_loss(
    task: Task,
    compute: Compute,
    mean: Sequence[float],
    std: Sequence[float],
    weights: Sequence[float] = (),
) -> BatchLoss:
    """Returns the loss of networks whose images have this `mean` and `std` of RGB in [0, 1]."""
    centre, spread = (
        torch.tensor(values, device=compute.device).view(3, 1, 1) * 255 for values in (mean, std)
    )
    weighed = torch.tensor(weights, device=compute.device) if weights else None
    return BatchLoss(task.lesson(), compute, centre, spread, weighed)


def _freeze_norms(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def mixed_seed(*numbers: Any) -> int:
    """One seed from several numbers."""
    seed = 0
    for number in numbers:
        seed = (seed * 1_000_003 + int(number) + 1) % (1 << 62)
    return seed
