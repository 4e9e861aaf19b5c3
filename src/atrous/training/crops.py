"""The endless stream of training crops. What is the n-th crop depends on the seed and n alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from atrous.core.errors import AtrousError
from atrous.data.dataset import Samples, read_ahead, read_image, read_labels
from atrous.data.transform import Augmentation
from atrous.networks.compute import cores
from atrous.training.config import Protocol
from atrous.training.world import World

LOADERS = 8
"""At most so many threads read images for one accelerator."""

ORDER, CROP = 0, 1
"""Orders and crops draw from streams of their own."""
Batch = tuple[Tensor, Tensor]
"""Images uint8 [B, 3, H, W] and labels uint8 [B, H, W]."""


@dataclass(frozen=True)
class Crops:
    """Crop n of the stream, for any n. Each pass over the samples is in an order of its own."""

    samples: Samples
    augmentation: Augmentation
    seed: int

    def __getitem__(self, number: int) -> Batch:
        """Image uint8 [3, H, W] and labels uint8 [H, W]."""
        turn, place = divmod(number, len(self.samples))
        sample = self.samples[order(self.seed, turn, len(self.samples))[place]]
        rng = np.random.default_rng((self.seed, number, CROP))
        image, labels = self.augmentation(read_image(sample.image), read_labels(sample), rng)
        return torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(labels)


@lru_cache(maxsize=4)
def order(seed: int, turn: int, count: int) -> tuple[int, ...]:
    """The order of the samples in one pass."""
    shuffled: list[int] = np.random.default_rng((seed, turn, ORDER)).permutation(count).tolist()
    return tuple(shuffled)


def parts(crops: Crops, protocol: Protocol, first: int, world: World) -> Iterator[Batch]:
    """This process's batches from step `first` to the last, `accumulate` of them a step.

    Raises `AtrousError` if the processes cannot share a batch.
    """
    share = share_of(protocol, world)
    numbers = (
        start + world.rank * share + position
        for start in range(
            first * protocol.batch, protocol.steps * protocol.batch, share * world.size
        )
        for position in range(share)
    )
    read = read_ahead(crops.__getitem__, numbers, loader_threads(world))
    return _stacked(read, share, world.device.startswith("cuda"))


def _stacked(read: Iterator[Batch], share: int, pinned: bool) -> Iterator[Batch]:
    """Stacks `share` crops at a time, where an accelerator copies them from if `pinned`."""
    while few := list(islice(read, share)):
        images, labels = (torch.stack(tensors) for tensors in zip(*few, strict=True))
        yield (images.pin_memory(), labels.pin_memory()) if pinned else (images, labels)


def share_of(protocol: Protocol, world: World) -> int:
    """How many images of each part of a batch a process takes.

    Raises `AtrousError` if they cannot be shared, or are too few for batch norm, which only GPUs
    work out over all processes.
    """
    share, left = divmod(protocol.batch, protocol.accumulate * world.size)
    alone = world.size > 1 and not world.device.startswith("cuda")
    if left or (alone and protocol.tune_norm and share < 2):
        raise AtrousError(
            f"{world.size} processes cannot share --batch {protocol.batch} in --accumulate "
            f"{protocol.accumulate} parts: expected a multiple of "
            f"{protocol.accumulate * world.size}, and without GPUs at least 2 images a part and "
            "process. Change --batch, or start another number of processes."
        )
    return share


def loader_threads(world: World) -> int:
    """How many threads read images: none on a CPU, whose cores train."""
    if not world.device.startswith("cuda"):
        return 0
    return max(1, min(LOADERS, cores() // world.local_size - 1))


def crops_of(samples: Samples, protocol: Protocol, mean: tuple[float, ...]) -> Crops:
    """The stream of a protocol; `mean` is the colour, in [0, 1], that images are extended with."""
    red, green, blue = (round(255 * value) for value in mean)
    fill = (red, green, blue)
    augmentation = Augmentation(protocol.crop, protocol.scales, protocol.flip, fill)
    return Crops(samples, augmentation, protocol.seed)
