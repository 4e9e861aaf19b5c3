"""Networks whose classes can be told beforehand, and images for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn

from atrous.data.dataset import Sample
from atrous.data.pixels import Pixels
from atrous.model.evaluation.assessment import make_evaluation
from atrous.model.evaluation.record import Evaluation

Size = tuple[int, int]
SIZES: tuple[Size, ...] = ((40, 56), (40, 56), (40, 56), (33, 47), (64, 31), (64, 31), (40, 56))
"""Several sizes, with and without equal neighbours."""

CLASSES = 5
ABSENT = 4
"""A class that is in no label and in no prediction."""


class ByColour(nn.Module):
    """Logits of class k are high where the image is like colour k, smoothed over 3 x 3 pixels.

    Being smoothed, it answers differently at other scales. `passes` counts images in each pass.
    """

    def __init__(self, colours: npt.NDArray[np.float32]) -> None:
        super().__init__()
        self.colours = nn.Parameter(torch.from_numpy(colours))
        self.norm = nn.BatchNorm2d(len(colours))
        self.passes: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.passes.append(len(images))
        smooth = nn.functional.avg_pool2d(images, 3, 1, 1)
        apart = (smooth[:, None] - self.colours[None, :, :, None, None]).square().sum(2)
        logits: Tensor = self.norm(-8 * apart)
        return logits


def colours(classes: int = CLASSES, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).random((classes, 3)).astype(np.float32)


def network(classes: int = CLASSES, absent: int | None = ABSENT) -> ByColour:
    """In evaluation mode; the absent class's colour is far from all images."""
    table = colours(classes)
    if absent is not None:
        table[absent] = 9
    return ByColour(table).eval()


def transform(image: Pixels) -> Tensor:
    return torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32) / 255)


def draw(
    size: Size, rng: np.random.Generator, classes: int = CLASSES, absent: int | None = ABSENT
) -> tuple[Pixels, Pixels]:
    """A noisy image of blocks of the classes' colours, and labels with some pixels ignored."""
    present = [k for k in range(classes) if k != absent]
    blocks = rng.choice(present, (-(-size[0] // 8), -(-size[1] // 8)))
    label = np.kron(blocks, np.ones((8, 8), dtype=int))[: size[0], : size[1]].astype(np.uint8)
    noise = rng.normal(0, 0.25, (*size, 3))
    image = (255 * np.clip(colours(classes)[label] + noise, 0, 1)).astype(np.uint8)
    label[rng.random(size) < 0.1] = 255
    return image, label


def write_samples(root: Path, sizes: tuple[Size, ...] = SIZES, seed: int = 0) -> tuple[Sample, ...]:
    rng = np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    samples = []
    for number, size in enumerate(sizes):
        sample = Sample(
            f"{number:03d}", root / f"{number:03d}.png", root / f"{number:03d}-mask.png"
        )
        for pixels, path in zip(draw(size, rng), (sample.image, sample.mask), strict=True):
            Image.fromarray(pixels).save(path)
        samples.append(sample)
    return tuple(samples)


COUNTS = np.array([[8, 2, 0], [0, 2, 0], [0, 0, 0]])
NAMES = ("road", "car", "train")


def evaluation(
    counts: npt.NDArray[np.int64] = COUNTS,
    classes: tuple[str, ...] = NAMES,
    scales: tuple[float, ...] = (1.0,),
    flip: bool = False,
) -> Evaluation:
    return make_evaluation("streets", "val", 7, scales, flip, classes, counts)


def many_classes(count: int) -> Evaluation:
    """More classes than fit side by side; each is taken for the next one now and then."""
    counts = 50 * np.eye(count, dtype=np.int64) + np.diag(np.arange(1, count), 1)
    return evaluation(counts, tuple(f"class {k}" for k in range(count)))
