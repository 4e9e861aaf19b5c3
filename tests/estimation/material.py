"""Small images of several sizes with their masks, and proxies on their features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from atrous.core.trial import Job, Origin, Rung, Trial
from atrous.data.canvas import Size
from atrous.data.dataset import Sample
from atrous.estimation.cached import Proxy
from atrous.estimation.features import FeatureSet
from atrous.networks.compute import Compute
from atrous.spaces import find_space
from atrous.training.optimiser import Schedule

CROP = (65, 97)
CLASSES = 3
STRIDE = 16
CHANNELS = 64
"""Of the backbone at that stride."""
FIT = (64, 96)
SIZES: tuple[Size, ...] = (FIT, (30, 97), (100, 64), FIT, (64, 200), (65, 97), FIT, FIT, FIT)
"""Smaller than, as large as, and larger than the crop, on either axis; one more than a batch."""
FLOAT32 = Compute("cpu", "float32", "channels_last", 1)
TOP1 = find_space("dpc").architecture(find_space("dpc").published["top1"])
ASPP = find_space("dpc").architecture(find_space("dpc").published["aspp"])


def write_samples(root: Path, sizes: tuple[Size, ...] = SIZES, seed: int = 0) -> tuple[Sample, ...]:
    """Pictures in which the class of a block is told by its colour, with noise."""
    rng = np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    return tuple(_write(root, f"{number}", size, rng) for number, size in enumerate(sizes))


def _write(root: Path, name: str, size: Size, rng: np.random.Generator) -> Sample:
    coarse = rng.choice([0, 1, 2, 255], p=[0.4, 0.3, 0.2, 0.1], size=(4, 5)).astype(np.uint8)
    mask = np.asarray(Image.fromarray(coarse).resize(size[::-1], Image.Resampling.NEAREST))
    colours = np.zeros((256, 3))
    colours[:CLASSES] = [(200, 60, 60), (60, 200, 60), (60, 60, 200)]
    noise = rng.integers(0, 56, (*size, 3))
    image = (colours[mask] + noise).astype(np.uint8)
    sample = Sample(name, root / f"{name}.png", root / f"{name}-mask.png")
    Image.fromarray(image).save(sample.image)
    Image.fromarray(mask).save(sample.mask)
    return sample


def proxy(
    data: FeatureSet,
    compute: Compute = FLOAT32,
    rate: float = 0.1,
    batch: int = 4,
) -> Proxy:
    """A proxy that trains and scores on the same images."""
    schedule = Schedule(batch, rate, 4e-5)
    return Proxy(data, data, CLASSES, 8, schedule, compute)


def job(steps: int = 3, seed: int = 5) -> Job:
    """A job for the published best cell."""
    return Job(Trial(0, TOP1, Origin("uniform"), seed), Rung(0, steps))
