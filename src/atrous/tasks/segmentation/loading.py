"""Images and labels read ahead of the network, one after another. H x W are pixels."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from atrous.core.errors import AtrousError
from atrous.data.dataset import IGNORE, Sample, read_image, read_labels
from atrous.data.pixels import Pixels

Transform = Callable[[Pixels], Tensor]
"""From an RGB image, uint8 H x W x 3, to the network's input, float32 [3, H, W]."""

AHEAD = 4
"""How many images wait, read, for each thread that reads them."""


@dataclass(frozen=True)
class Loaded:
    """What the network reads, float32 [3, H, W], and what it should say, bytes [H, W]."""

    image: Tensor
    label: Tensor


def load(
    samples: Iterable[Sample], transform: Transform, classes: int, threads: int = 1
) -> Iterator[Loaded]:
    """The samples in their order, read by other threads; few of them exist at a time.

    Raises AtrousError where a file cannot be used, sizes differ, or a label is no class.
    """
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[Loaded]] = deque()
    try:
        for sample in samples:
            waiting.append(pool.submit(_load, sample, transform, classes))
            if len(waiting) > AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _load(sample: Sample, transform: Transform, classes: int) -> Loaded:
    image, label = read_image(sample.image), read_labels(sample)
    if image.shape[:2] != label.shape:
        raise AtrousError(
            f"{sample.image} has {image.shape[1]} x {image.shape[0]} pixels, but its mask "
            f"{sample.mask} has {label.shape[1]} x {label.shape[0]}. To mend: write the mask again "
            "at the size of its image."
        )
    _require_classes(sample, label, classes)
    return Loaded(transform(image), torch.from_numpy(np.ascontiguousarray(label)))


def _require_classes(sample: Sample, label: Pixels, classes: int) -> None:
    strange = label[(label >= classes) & (label != IGNORE)]
    if strange.size:
        raise AtrousError(
            f"{sample.mask} holds the class id {int(strange[0])}, but there are {classes} classes, "
            f"0 to {classes - 1}, and {IGNORE} for pixels to ignore. To mend: write {IGNORE} "
            "there, or the right class; `atrous check` lists all such masks."
        )
