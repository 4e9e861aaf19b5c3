"""How a part learns from cached features: which images make up a batch, the loss, the steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from atrous.data.canvas import Size, feature_size
from atrous.estimation.features import TARGET_STRIDE, FeatureSet
from atrous.networks.compute import Compute, GraphedGradients, card_memory, cards
from atrous.networks.layers import interpolation, resample
from atrous.networks.pyramid import Pyramid, require_maps
from atrous.tasks.segmentation import SEGMENTATION
from atrous.tasks.segmentation.probabilities import Segmenter
from atrous.training.checkpoint import Checkpoint, load, save
from atrous.training.optimiser import (
    FINITE_EVERY,
    REFERENCE_DECAY,
    REFERENCE_STEPS,
    NonFiniteError,
    Schedule,
    batches,
    kept_state,
    make_optimiser,
    restore_state,
    set_norm_decay,
    set_rate,
)


@dataclass(frozen=True)
class Stretch:
    """The part of a training after step `first`, from the state kept in the file `before`; its end
    is kept in `after`."""

    first: int
    before: Path | None
    after: Path | None


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
        return total / SEGMENTATION.labelled(targets).clamp_min(1)


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
    resident: bool = False,
    stretch: Stretch | None = None,
) -> None:
    """Trains in place, all `steps` or a stretch of them. Which images make up which batch, and
    which of them are mirrored, depends on `seed` alone.

    Batch norm keeps running means over the last tenth of the run, as the reference's decay of
    0.9997 does in its 30,000 steps. Raises `NonFiniteError`.
    """
    set_norm_decay(network, max(REFERENCE_DECAY, REFERENCE_DECAY * REFERENCE_STEPS / steps))
    road = geometry(data.crop, network.stride, compute.device, network.offset)
    optimiser, first = make_optimiser(network, schedule), stretch.first if stretch else 0
    if stretch and stretch.before:
        restore_state(network, optimiser, load(stretch.before).tensors)
    step = make_step(network, road, optimiser, compute)
    network.train()
    require_maps(network.head, data.strides, f"the feature set {data.path}")
    features = features_of(data, network, compute, resident)
    targets = _kept(data, None, compute.device) if resident else data.targets
    order = order_of(data, schedule.batch, steps, seed)
    for number, index in enumerate(torch.from_numpy(order[first:]).to(targets.device), first):
        batch = {stride: compute.place(maps[index]) for stride, maps in features.items()}
        loss = step(
            batch, targets[index].to(compute.device).long(), schedule.rate_at(number, steps)
        )
        if (number % FINITE_EVERY == 0 or number == steps - 1) and not torch.isfinite(loss):
            raise NonFiniteError(f"the loss was {float(loss)} at step {number + 1} of {steps}")
    if stretch and stretch.after:
        save(Checkpoint(kept_state(network, optimiser), {"step": steps}), stretch.after)


def order_of(data: FeatureSet, batch: int, steps: int, seed: int) -> npt.NDArray[np.int64]:
    """The numbers [steps, batch] of the maps that each batch is made of.

    Each pass over the images is shuffled anew. Where there are mirror images, chance takes those
    or the others, as a function of the seed and the number of the batch.
    """
    order = np.array(list(islice(batches(data.images, batch, seed), steps)), np.int64)
    if data.images < len(data):
        for number, chosen in enumerate(order):
            mirror = np.random.default_rng((seed, number)).integers(2, size=len(chosen))
            chosen += data.images * mirror
    return order


def features_of(data: FeatureSet, network: Segmenter, compute: Compute, resident: bool) -> Pyramid:
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
    network: nn.Module, geometry: Geometry, optimiser: torch.optim.Optimizer, compute: Compute
) -> Step:
    """The training step; on a GPU, forward and backward pass are one CUDA graph."""

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
        set_rate(optimiser, rate)
        optimiser.step()
        return loss

    return step
