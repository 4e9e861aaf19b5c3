"""Random scale, crop and flip: image and labels stay together."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from atrous.core.stage_config import TrainingConfig
from atrous.data.transform import Augmentation
from tests.cases import each

Pixels = npt.NDArray[np.uint8]
FILL = (123, 116, 104)
LABELS = np.array([7, 60, 130, 210], np.uint8)
"""So far apart that a blend of two would be told."""
COLOURS = np.array([(20, 30, 240), (60, 200, 10), (120, 90, 170), (220, 5, 80)], np.uint8)


def picture(height: int = 96, width: int = 128, block: int = 16) -> tuple[Pixels, Pixels]:
    """Blocks whose colour tells their label."""
    draw = np.random.default_rng(5).integers(0, 4, (height // block + 1, width // block + 1))
    classes = np.kron(draw, np.ones((block, block), np.int64))[:height, :width]
    return COLOURS[classes], LABELS[classes]


def even(labels: Pixels, reach: int) -> npt.NDArray[np.bool_]:
    """Where all labels within reach are one and the same."""
    same = np.zeros(labels.shape, np.bool_)
    inner = slice(reach, -reach)
    windows = np.lib.stride_tricks.sliding_window_view(labels, (2 * reach + 1, 2 * reach + 1))
    same[inner, inner] = windows.min((2, 3)) == windows.max((2, 3))
    return same


@each("scale", TrainingConfig.scales)
@each("flip", [False, True])
def test_a_colour_that_tells_the_label_still_tells_it(scale: float, flip: bool) -> None:
    image, labels = picture()
    augment = Augmentation((65, 97), (scale,), flip, FILL)
    looked = 0
    for seed in range(6):
        crop, truth = augment(image, labels, np.random.default_rng(seed))
        inside = even(truth, 3) & (truth != 255)
        looked += inside.sum()
        assert (crop[inside] == COLOURS[LABELS.searchsorted(truth[inside])]).all()
        assert (crop[truth == 255] == FILL).all()
        assert set(np.unique(truth)) <= {*LABELS, 255}
    assert looked > 500


def test_labels_lie_on_the_image_to_half_a_pixel() -> None:
    """An edge between black and white, drawn and labelled, at every scale."""
    labels = np.zeros((40, 60), np.uint8)
    labels[:, 23:] = 1
    labels[17:, :] = 1
    image = np.repeat(255 * labels[:, :, None], 3, axis=2)
    for scale in TrainingConfig.scales:
        for seed in range(10):
            augment = Augmentation((33, 33), (scale,), True, (0, 0, 0))
            crop, truth = augment(image, labels, np.random.default_rng(seed))
            bright = crop[:, :, 0] > 127
            wrong = (bright != (truth == 1)) & (truth != 255)
            assert (np.abs(crop[wrong].astype(int) - 127) <= 64).all()


def test_the_crop_of_the_scaled_image_is_what_is_computed() -> None:
    image, labels = picture(61, 83)
    image = np.random.default_rng(0).integers(0, 256, image.shape, dtype=np.uint8)
    for scale in TrainingConfig.scales:
        whole = Augmentation((200, 200), (scale,), False, FILL)
        large, large_truth = whole(image, labels, np.random.default_rng(0))
        height, width = round(61 * scale), round(83 * scale)
        resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
        assert (large[:height, :width] == np.asarray(resized)).all()
        assert (large_truth[:height, :width] != 255).all()
        part, truth = Augmentation((20, 30), (scale,), False, FILL)(
            image, labels, np.random.default_rng(1)
        )
        places = [
            (y, x)
            for y in range(height - 19)
            for x in range(width - 29)
            if (large_truth[y : y + 20, x : x + 30] == truth).all()
            and np.abs(large[y : y + 20, x : x + 30].astype(int) - part).max() <= 1
        ]
        assert len(places) == 1


def test_an_image_smaller_than_the_crop_lies_at_the_top_left() -> None:
    image, labels = picture(30, 40)
    crop, truth = Augmentation((33, 49), (1.0,), False, FILL)(
        image, labels, np.random.default_rng(0)
    )
    assert (crop[:30, :40] == image).all()
    assert (truth[:30, :40] == labels).all()
    assert (crop[30:] == FILL).all()
    assert (crop[:, 40:] == FILL).all()
    assert (truth[30:] == 255).all()
    assert (truth[:, 40:] == 255).all()


def test_one_side_may_be_smaller_and_the_other_larger() -> None:
    image, labels = picture(20, 100)
    crop, truth = Augmentation((33, 49), (1.0,), False, FILL)(
        image, labels, np.random.default_rng(0)
    )
    assert ((truth == 255).mean(axis=1) == np.repeat([0.0, 1.0], [20, 13])).all()
    assert any((image[:, x : x + 49] == crop[:20]).all() for x in range(52))


def test_windows_reach_every_place() -> None:
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    image = np.repeat(labels[:, :, None], 3, axis=2)
    augment = Augmentation((2, 3), (1.0,), False, FILL)
    rng = np.random.default_rng(0)
    firsts = Counter(int(augment(image, labels, rng)[1][0, 0]) for _ in range(400))
    assert set(firsts) == {0, 1, 4, 5}
    assert min(firsts.values()) > 60


def test_scales_come_in_steps_equally_often() -> None:
    image, labels = np.zeros((8, 12, 3), np.uint8), np.zeros((8, 12), np.uint8)
    augment = Augmentation((17, 25), TrainingConfig.scales, True, FILL)
    rng = np.random.default_rng(0)
    sizes = Counter(int((augment(image, labels, rng)[1] == 0).sum()) for _ in range(1400))
    assert set(sizes) == {round(8 * s) * round(12 * s) for s in TrainingConfig.scales}
    assert min(sizes.values()) > 150


def test_a_flip_mirrors_both_and_comes_half_of_the_time() -> None:
    image, labels = picture(40, 60)
    flipped = 0
    for seed in range(200):
        plain = Augmentation((33, 49), TrainingConfig.scales, False, FILL)(
            image, labels, np.random.default_rng(seed)
        )
        other = Augmentation((33, 49), TrainingConfig.scales, True, FILL)(
            image, labels, np.random.default_rng(seed)
        )
        mirrored = not (other[0] == plain[0]).all()
        flipped += mirrored
        for one, two in zip(plain, other, strict=True):
            assert ((two[:, ::-1] if mirrored else two) == one).all()
    assert 70 < flipped < 130


def test_colours_change_within_their_share_and_labels_and_the_fill_do_not() -> None:
    image, labels = np.full((8, 12, 3), (100, 120, 140), np.uint8), np.ones((8, 12), np.uint8)
    plain = Augmentation((16, 16), (1.0,), False, FILL)
    other = replace(plain, colour=0.3)
    seen = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        crop, truth = other(image, labels, rng)
        same = plain(image, labels, np.random.default_rng(seed))
        assert (truth == same[1]).all()
        assert (crop[8:] == FILL).all()
        seen.append(crop[0, 0].mean() / image[0, 0].mean())
        assert np.ptp(crop[:8, :12].reshape(-1, 3), axis=0).max() == 0
    assert 0.69 <= min(seen) < 0.8 < 1.2 < max(seen) <= 1.31
    assert (plain(image, labels, np.random.default_rng(0))[0][:8, :12] == image).all()


def test_a_tiny_scale_leaves_a_pixel() -> None:
    image, labels = picture(16, 16)
    _, truth = Augmentation((5, 5), (0.01,), False, FILL)(image, labels, np.random.default_rng(0))
    assert (truth != 255).sum() == 1
