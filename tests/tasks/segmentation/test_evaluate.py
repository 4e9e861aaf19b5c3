"""Counts over samples, against scikit-learn and plain loops over pixels."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    jaccard_score,
)
from torch import Tensor, nn
from torch.nn import functional

from atrous.core.console import untracked
from atrous.core.errors import AtrousError
from atrous.data.dataset import AHEAD, Sample, read_image, read_labels
from atrous.data.pixels import Pixels
from atrous.tasks.segmentation import evaluate as loading
from atrous.tasks.segmentation.evaluate import (
    Examination,
    evaluate,
    summarise,
)
from tests.model.evaluation.material import (
    ABSENT,
    CLASSES,
    SIZES,
    ByColour,
    colours,
    network,
    transform,
    write_samples,
)

BATCHED = "cpu:0"
"""The processor under a name that is treated as a GPU is: images of equal size go together."""


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sample, ...]:
    return write_samples(tmp_path_factory.mktemp("samples"))


def labelled_pixels(
    samples: tuple[Sample, ...], predictions: list[npt.NDArray[np.int64]]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Labels and predictions of all pixels that are not ignored, one after another."""
    labels = [read_labels(sample).astype(np.int64).ravel() for sample in samples]
    truth = np.concatenate(labels)
    guess = np.concatenate([prediction.ravel() for prediction in predictions])
    return truth[truth != 255], guess[truth != 255]


def single_scale(model: ByColour, sample: Sample) -> npt.NDArray[np.int64]:
    with torch.no_grad():
        logits = model(transform(read_image(sample.image))[None])[0]
    return np.asarray(logits.argmax(0))


@pytest.mark.parametrize("device", ["cpu", BATCHED])
def test_counts_and_scores_equal_those_of_scikit_learn(
    samples: tuple[Sample, ...], device: str
) -> None:
    model = network()
    counts = evaluate(model, transform, samples, CLASSES, device=device)
    truth, guess = labelled_pixels(samples, [single_scale(network(), s) for s in samples])
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(counts, confusion_matrix(truth, guess, labels=range(CLASSES)))
    scores = summarise(counts)
    assert scores.miou == pytest.approx(jaccard_score(truth, guess, average="macro"), abs=1e-6)
    each = jaccard_score(truth, guess, average=None, labels=range(ABSENT))
    assert scores.class_iou[:ABSENT] == pytest.approx(tuple(each), abs=1e-6)
    assert scores.class_iou[ABSENT] is None
    assert scores.pixel_accuracy == pytest.approx(accuracy_score(truth, guess), abs=1e-6)
    balanced = balanced_accuracy_score(truth, guess)
    assert scores.mean_accuracy == pytest.approx(balanced, abs=1e-6)
    assert 0.3 < scores.miou < 0.95


def test_neighbours_of_equal_size_go_through_the_network_together(
    samples: tuple[Sample, ...],
) -> None:
    model = network()
    evaluate(model, transform, samples, CLASSES, device=BATCHED)
    assert model.passes == [3, 1, 2, 1]


def test_an_image_is_settled_with_the_last_of_its_pass(samples: tuple[Sample, ...]) -> None:
    found = Examination(network(), transform, CLASSES, device=BATCHED).counted(samples)
    assert [one.settled for one in found] == [False, False, True, True, False, True, True]


def test_as_many_images_go_together_as_the_memory_holds(samples: tuple[Sample, ...]) -> None:
    """A network that has memory for two images at a time, and one that has for none."""

    class Lacking(ByColour):
        most = 2

        def forward(self, images: Tensor) -> Tensor:
            if len(images) > self.most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.")
            return super().forward(images)

    model = Lacking(colours()).eval()
    model.load_state_dict(network().state_dict())
    found = evaluate(model, transform, samples, CLASSES, device=BATCHED)
    np.testing.assert_array_equal(found, evaluate(network(), transform, samples, CLASSES))
    assert model.passes == [2, 1, 1, 2, 1]
    model.most = 0
    with pytest.raises(
        torch.OutOfMemoryError, match=r"scoring an image of 56 x 40 .* 9 GiB"
    ) as told:
        evaluate(model, transform, samples, CLASSES, device=BATCHED)
    assert "--batch" not in str(told.value.advice)  # type: ignore[attr-defined]


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("scales", [(1.0,), (0.5, 1.0, 1.75)])
def test_scales_and_flips_are_averaged_as_written_out_here(
    samples: tuple[Sample, ...], scales: tuple[float, ...], flip: bool
) -> None:
    model = network()
    predictions = [written_out(model, s, scales, flip) for s in samples]
    truth, guess = labelled_pixels(samples, predictions)
    counts = evaluate(model, transform, samples, CLASSES, scales, flip)
    np.testing.assert_array_equal(counts, confusion_matrix(truth, guess, labels=range(CLASSES)))


def test_scales_and_flips_make_a_difference(samples: tuple[Sample, ...]) -> None:
    plain = evaluate(network(), transform, samples, CLASSES)
    scaled = evaluate(network(), transform, samples, CLASSES, (0.5, 1.0))
    assert (plain != scaled).any()


def written_out(
    model: nn.Module, sample: Sample, scales: tuple[float, ...], flip: bool
) -> npt.NDArray[np.int64]:
    """Softmax of every view, one by one in double precision, brought back, and averaged."""
    image = transform(read_image(sample.image))[None]
    height, width = image.shape[-2:]
    views = []
    for scale in scales:
        size = [int((height - 1) * scale + 1), int((width - 1) * scale + 1)]
        scaled = functional.interpolate(image, size, mode="bilinear", align_corners=True)
        for mirrored in [False, True] if flip else [False]:
            with torch.no_grad():
                logits = model(torch.flip(scaled, [3]) if mirrored else scaled).double()
            logits = torch.flip(logits, [3]) if mirrored else logits
            back = functional.interpolate(
                logits, (height, width), mode="bilinear", align_corners=True
            )
            views.append(torch.softmax(back[0], 0))
    return np.asarray(torch.stack(views).mean(0).argmax(0))


def test_modules_go_back_to_the_modes_they_were_in(samples: tuple[Sample, ...]) -> None:
    norm = nn.BatchNorm2d(CLASSES)
    model = nn.Sequential(network(), norm).train()
    model[0].eval()
    before = [module.training for module in model.modules()]
    evaluate(model, transform, samples[:1], CLASSES)
    assert [module.training for module in model.modules()] == before
    assert norm.num_batches_tracked == 0


def test_no_samples_give_no_counts() -> None:
    assert evaluate(network(), transform, (), CLASSES).sum() == 0


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    size = (64, 96)
    samples = write_samples(tmp_path, (size,) * 8)
    image = 3 * 4 * size[0] * size[1]
    assert peak_of_arrays(samples * 30) < (AHEAD + 12) * image


def peak_of_arrays(samples: tuple[Sample, ...]) -> int:
    """The most bytes that arrays took at once; images and logits are arrays here, so that Python's
    own accounting sees them."""

    class Answer(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.from_numpy(np.zeros((len(images), CLASSES, *images.shape[-2:]), "f4"))

    evaluate(Answer(), in_an_array, samples[:1], CLASSES, progress=untracked)
    gc.collect()
    tracemalloc.start()
    try:
        evaluate(Answer(), in_an_array, samples, CLASSES, progress=untracked)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def in_an_array(image: Pixels) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32))


def test_images_are_read_only_a_little_ahead(samples: tuple[Sample, ...]) -> None:
    taken: list[Sample] = []

    def noted() -> Iterator[Sample]:
        for sample in samples * 5:
            taken.append(sample)
            yield sample

    found = loading.load(noted(), transform, CLASSES, 1)
    next(found)
    assert len(taken) == AHEAD + 1
    next(found)
    assert len(taken) == AHEAD + 2


def test_the_progress_counts_images(samples: tuple[Sample, ...]) -> None:
    told: list[tuple[str, int]] = []

    def note(items, label, total):  # type: ignore[no-untyped-def]
        told.append((label, total))
        yield from items

    evaluate(network(), transform, samples, CLASSES, label="looking", progress=note)
    assert told == [("looking", len(SIZES))]


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    (sample,) = write_samples(tmp_path, ((40, 56),))
    Image.fromarray(np.zeros((40, 55), dtype=np.uint8)).save(sample.mask)
    with pytest.raises(AtrousError, match=r"56 x 40 pixels.*55 x 40"):
        evaluate(network(), transform, (sample,), CLASSES)


def test_a_label_that_is_no_class_is_refused(tmp_path: Path) -> None:
    (sample,) = write_samples(tmp_path, ((40, 56),))
    Image.fromarray(np.full((40, 56), CLASSES, dtype=np.uint8)).save(sample.mask)
    with pytest.raises(AtrousError, match=r"000-mask.png holds the class id 5.* 0 to 4"):
        evaluate(network(), transform, (sample,), CLASSES)
