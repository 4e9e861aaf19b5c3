"""The endless stream of training crops. What is the n-th crop depends on the seed and n alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import cast, overload

import numpy as np
import torch
from torch import Tensor, nn

from atrous.core.errors import AtrousError
from atrous.data.dataset import Samples, read_ahead, read_image, read_labels
from atrous.data.transform import Augmentation
from atrous.networks.compute import Kept, cores, require_memory
from atrous.networks.layers import parameter_count
from atrous.networks.network import Begun, Network, pad_to_canvas
from atrous.tasks import USUAL
from atrous.tasks.task import Task
from atrous.training.config import Protocol
from atrous.training.world import World

LOADERS = 8
"""At most so many threads read images for one accelerator."""

ORDER, CROP = 0, 1
"""Orders and crops draw from streams of their own."""
Batch = tuple[Tensor, Tensor]
"""Images uint8 [B, 3, H, W] and labels uint8 [B, H, W]."""
BegunBatch = tuple[Begun, Tensor]
"""The maps that a frozen front makes of images, in float16, and labels uint8 [B, H, W]."""


@dataclass(frozen=True)
class Crops:
    """Crop n of the stream, for any n. Each pass over the samples is in an order of its own.

    Augmentation draws each crop anew; where there are `variants`, so many of each sample, which
    return in later passes, every second one mirrored. Labels are the targets of the `task`.
    """

    samples: Samples
    augmentation: Augmentation
    seed: int
    variants: int = 0
    task: Task = USUAL

    def __getitem__(self, number: int) -> Batch:
        """Image uint8 [3, H, W] and labels uint8 [H, W]."""
        sample, drawn = self.key(number)
        return self.drawn(sample, drawn)

    def key(self, number: int) -> tuple[int, int]:
        """The sample of crop n, and the number that its augmentation is drawn from: crops of equal
        keys are equal."""
        turn, place = divmod(number, len(self.samples))
        sample = order(self.seed, turn, len(self.samples))[place]
        if not self.variants:
            return sample, number
        return sample, turn % self.variants * len(self.samples) + sample

    def drawn(self, sample: int, drawn: int) -> Batch:
        """The crop of a key."""
        rng = np.random.default_rng((self.seed, drawn, CROP))
        source = self.samples[sample]
        mirrored = bool(drawn // len(self.samples) % 2) if self.variants else None
        pixels = read_image(source.image)
        targets = self.task.targets(pixels, read_labels(source))
        image, labels = self.augmentation(pixels, targets, rng, mirrored)
        return torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(labels)


Front = Callable[[Tensor], Begun]
"""Images uint8 [B, 3, H, W] -> what a frozen front makes of them, on its own device."""


class Started:
    """Crops after a frozen front, in float16 in the machine's memory.

    Where crops return, their maps are kept for that, as far as `room` bytes go: those of later ones
    are computed each time.
    """

    def __init__(self, crops: Crops, front: Front, room: float) -> None:
        self.crops, self.front, self.room = crops, front, room
        self._kept: dict[tuple[int, int], BegunBatch] = {}

    def __getitem__(self, number: int) -> BegunBatch:
        """Maps [C, h, w] by stride and labels uint8 [H, W]."""
        key = self.crops.key(number)
        if key in self._kept:
            return self._kept[key]
        image, labels = self.crops.drawn(*key)
        begun = self.front(image[None])
        maps = {stride: each[0].half().cpu() for stride, each in begun.maps.items()}
        found = Begun(maps, begun.size), labels
        self.room -= sum(each.nbytes for each in (*maps.values(), labels))
        if self.crops.variants and self.room > 0:
            self._kept[key] = found
        return found


@lru_cache(maxsize=4)
def order(seed: int, turn: int, count: int) -> tuple[int, ...]:
    """The order of the samples in one pass."""
    shuffled: list[int] = np.random.default_rng((seed, turn, ORDER)).permutation(count).tolist()
    return tuple(shuffled)


@overload
def parts(crops: Crops, protocol: Protocol, first: int, world: World) -> Iterator[Batch]: ...


@overload
def parts(
    crops: Crops | Started, protocol: Protocol, first: int, world: World
) -> Iterator[Batch | BegunBatch]: ...


def parts(
    crops: Crops | Started, protocol: Protocol, first: int, world: World
) -> Iterator[Batch | BegunBatch]:
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
    item = cast(Callable[[int], Batch | BegunBatch], crops.__getitem__)
    read = read_ahead(item, numbers, loader_threads(world))
    return _stacked(read, share, world.device.startswith("cuda"))


def _stacked(
    read: Iterator[Batch | BegunBatch], share: int, pinned: bool
) -> Iterator[Batch | BegunBatch]:
    """Stacks `share` crops at a time, where an accelerator copies them from if `pinned`."""

    def stacked(tensors: Sequence[Tensor]) -> Tensor:
        joined = torch.stack(list(tensors))
        return joined.pin_memory() if pinned else joined

    while few := list(islice(read, share)):
        images, labels = zip(*few, strict=True)
        if isinstance(images[0], Begun):
            maps = {s: stacked([each.maps[s] for each in images]) for s in images[0].maps}
            yield Begun(maps, images[0].size), stacked(labels)
        else:
            yield stacked(images), stacked(labels)


LEAST_OF_WEIGHT, LEAST_OF_PIXEL = 12, 15
"""Bytes that a training takes at least: of a weight with its gradient and momentum, of a pixel's
three colours as they are and as numbers."""
BFLOAT16 = 0.5
"""The memory of a number to that of one in float32."""


def require_step(network: nn.Module, protocol: Protocol, world: World) -> None:
    """Raises `NoRoomError` if a device has no room for the weights and images of a step, and for
    what is kept of its forward pass; `network` is one without storage."""
    images, (height, width) = share_of(protocol, world), protocol.crop
    needed = LEAST_OF_WEIGHT * parameter_count(network) + LEAST_OF_PIXEL * images * height * width
    kept = least_kept(network, protocol, images)
    what = f"for a training step of {images} images of {height}x{width} pixels"
    mend = "Lower --batch, --crop or --filters, or raise --accumulate."
    require_memory(needed + kept, world.device, what, mend)


def least_kept(network: nn.Module, protocol: Protocol, images: int) -> float:
    """Bytes that a forward pass keeps for the gradients; of an encoder with a frozen front, what is
    kept of its other layers is not counted."""
    if not isinstance(network, Network):
        return 0
    batch = torch.empty(images, 3, *protocol.crop, device="meta")
    kept = Kept(network.parameters())
    with torch.set_grad_enabled(not protocol.frozen), kept:
        maps = network.backbone(pad_to_canvas(batch, network.backbone.canvas))
    with torch.enable_grad(), kept:
        scores = network.scores(maps)
    del scores
    return kept.bytes * (BFLOAT16 if protocol.precision == "bfloat16" else 1)


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


def crops_of(
    samples: Samples, protocol: Protocol, mean: tuple[float, ...], task: Task = USUAL
) -> Crops:
    """The stream of a protocol; `mean` is the colour, in [0, 1], that images are extended with."""
    red, green, blue = (round(255 * value) for value in mean)
    fill = (red, green, blue)
    augmentation = Augmentation(
        protocol.crop, protocol.scales, protocol.flip, fill, protocol.colour
    )
    return Crops(samples, augmentation, protocol.seed, protocol.variants, task)
