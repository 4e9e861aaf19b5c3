"""Counts how the pixels of a data set were classified, by an image at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from atrous.core.console import track
from atrous.core.errors import AtrousError
from atrous.core.trial import Metrics
from atrous.data.dataset import IGNORE, Progress, Sample, read_ahead, read_image, read_labels
from atrous.data.pixels import Pixels
from atrous.networks.compute import cores
from atrous.tasks.segmentation.probabilities import evaluating, probabilities

PLAIN = (1.0,)
"""The scales of an image that is looked at once, as it is."""

BATCH = 16
SCORES = 2**27
"""A batch on a GPU has at most so many images, and class scores (half a gigabyte)."""

READERS = 8


class TooLargeError(torch.OutOfMemoryError):
    """Memory that does not hold a single image: how crops are trained on does not matter there."""

    advice = (
        "Images are scored whole: take smaller images to select on, fewer --filters, another "
        "backbone, or a device with more memory."
    )

    def __init__(self, images: Tensor, error: Exception) -> None:
        height, width = images.shape[-2:]
        why = str(error).partition("\n")[0]
        super().__init__(f"scoring an image of {width} x {height} pixels: {why}")


@dataclass(frozen=True)
class Counted:
    """One image's pixel counts [K, K], label by prediction. `settled` unless it came out of one
    pass of the network together with the next image."""

    counts: Counts
    settled: bool


@dataclass(frozen=True)
class Examination:
    """A network, and how it is asked: class probabilities are averaged over `scales`, and over
    both directions if `flip`. The network is on `device` and in evaluation mode.
    """

    network: nn.Module
    transform: Transform
    classes: int
    scales: Sequence[float] = PLAIN
    flip: bool = False
    device: str = "cpu"

    @property
    def plain(self) -> bool:
        """Whether an image is looked at once, as it is."""
        return tuple(self.scales) == PLAIN and not self.flip

    def predict(self, images: Tensor) -> Tensor:
        """The class of each pixel, [B, 3, H, W] -> bytes [B, H, W] on the device.

        An accelerator whose memory does not hold so many images together gets half as many.
        """
        with torch.no_grad():
            if not self.plain:
                return torch.stack([winners(self._averaged(image)) for image in images])
            try:
                return winners(self.network(self._placed(images)))
            except torch.OutOfMemoryError as error:
                if len(images) == 1:
                    raise TooLargeError(images, error) from error
        torch.cuda.empty_cache()
        return torch.cat([self.predict(half) for half in images.chunk(2)])

    def counted(self, samples: Sequence[Sample]) -> Iterator[Counted]:
        """The counts of each sample in turn. Raises AtrousError for files that cannot be used."""
        readers = 1 if self.device == "cpu" else min(READERS, cores())
        for batch in self._batches(load(samples, self.transform, self.classes, readers)):
            predictions = self.predict(torch.stack([one.image for one in batch]))
            labels = torch.stack([one.label for one in batch]).to(self.device)
            counts = confusions(labels, predictions, self.classes).cpu().numpy()
            for place, each in enumerate(counts, 1):
                yield Counted(each, settled=place == len(batch))

    def _batches(self, loaded: Iterator[Loaded]) -> Iterator[list[Loaded]]:
        """Neighbours of equal size, as many as are faster together: on a CPU, one."""
        batch: list[Loaded] = []
        for one in loaded:
            if batch and one.label.shape != batch[0].label.shape:
                yield batch
                batch = []
            batch.append(one)
            if len(batch) >= self._most(one):
                yield batch
                batch = []
        if batch:
            yield batch

    def _most(self, one: Loaded) -> int:
        if self.device == "cpu" or not self.plain:
            return 1
        return max(1, min(BATCH, SCORES // (self.classes * one.label.numel())))

    def _placed(self, images: Tensor) -> Tensor:
        """On the device; on a CPU also in the layout in which convolutions are faster there."""
        if self.device == "cpu":
            return images.contiguous(memory_format=torch.channels_last)
        return images.to(self.device)

    def _averaged(self, image: Tensor) -> Tensor:
        return probabilities(self.network, image, self.scales, self.flip, self.device)


def evaluate(
    network: nn.Module,
    transform: Transform,
    samples: Sequence[Sample],
    classes: int,
    scales: Sequence[float] = PLAIN,
    flip: bool = False,
    device: str = "cpu",
    label: str = "evaluating",
    progress: Progress = track,
) -> Counts:
    """Pixel counts [K, K], label by prediction, over all samples; ignored pixels are left out.

    `transform` makes the network's input out of an image; images may have any size, and labels have
    the size of their image. `scales` and `flip` are as in `probabilities`; with neither, the
    network's logits decide directly. A few images are in memory at a time, whatever their number.
    The network is moved to `device`; its modules go back to the modes they were in.
    Raises AtrousError for files that cannot be used.
    """
    examination = Examination(network, transform, classes, scales, flip, device)
    total = np.zeros((classes, classes), dtype=np.int64)
    network.to(device)
    with evaluating(network):
        for one in progress(examination.counted(samples), label, len(samples)):
            total += one.counts
    return total


Transform = Callable[[Pixels], Tensor]
"""From an RGB image, uint8 H x W x 3, to the network's input, float32 [3, H, W]."""


@dataclass(frozen=True)
class Loaded:
    """The input of the network, float32 [3, H, W], and the classes it should tell, bytes [H, W]."""

    image: Tensor
    label: Tensor


def load(
    samples: Iterable[Sample], transform: Transform, classes: int, threads: int = 1
) -> Iterator[Loaded]:
    """The samples in their order, read by other threads; few of them exist at a time.

    Raises AtrousError where a file cannot be used, sizes differ, or a label is no class.
    """
    return read_ahead(partial(_load, transform, classes), samples, threads)


def _load(transform: Transform, classes: int, sample: Sample) -> Loaded:
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


Counts = npt.NDArray[np.int64]
LABELS = 256
"""Labels are bytes; those that are no class, such as 255, are left out of every count."""


@dataclass(frozen=True)
class Scores:
    """Shares in [0, 1]. A class in neither label nor prediction has IoU `None` and no weight."""

    miou: float
    mean_accuracy: float
    pixel_accuracy: float
    weighted_iou: float
    class_iou: tuple[float | None, ...]


def confusion(label: Tensor, prediction: Tensor, classes: int) -> Tensor:
    """Pixel counts [K, K], label by prediction; both arguments are bytes of one shape."""
    return confusions(label[None], prediction[None], classes)[0]


def confusions(labels: Tensor, predictions: Tensor, classes: int) -> Tensor:
    """Pixel counts [B, K, K] of each of B images; both arguments are bytes of one shape [B, ...].

    On an accelerator, one call waits once for all that was asked before.
    """
    images = torch.arange(len(labels), dtype=torch.int32, device=labels.device).unsqueeze(1)
    pairs = (labels.flatten(1) + LABELS * images) * classes + predictions.flatten(1)
    counts = torch.bincount(pairs.flatten(), minlength=len(labels) * LABELS * classes)
    return counts.view(len(labels), LABELS, classes)[:, :classes]


def winners(logits: Tensor) -> Tensor:
    """The class of each position, [..., K, H, W] -> [..., H, W], as bytes."""
    if logits.device.type == "cpu":
        return torch.from_numpy(logits.numpy().argmax(-3).astype(np.uint8))
    return logits.argmax(-3).to(torch.uint8)


def metrics_of(counts: Counts) -> Metrics:
    """The scores of a K x K matrix by their names."""
    return {**vars(summarise(counts))}


def summarise(counts: Counts) -> Scores:
    """The scores of a K x K matrix, label by prediction.

    mIoU is the mean over the classes that appear in label or prediction, as in the reference
    implementation; accuracies and frequencies weigh the classes that appear in the label.
    """
    hits = np.diag(counts).astype(np.float64)
    labelled, predicted = counts.sum(1), counts.sum(0)
    union = labelled + predicted - hits
    seen, asked = union > 0, labelled > 0
    iou = np.divide(hits, union, out=np.zeros_like(hits), where=seen)
    total = max(1, int(counts.sum()))
    return Scores(
        miou=float(iou[seen].mean()) if seen.any() else 0.0,
        mean_accuracy=float((hits[asked] / labelled[asked]).mean()) if asked.any() else 0.0,
        pixel_accuracy=float(hits.sum() / total),
        weighted_iou=float((iou * labelled).sum() / total),
        class_iou=tuple(float(i) if s else None for i, s in zip(iou, seen, strict=True)),
    )
