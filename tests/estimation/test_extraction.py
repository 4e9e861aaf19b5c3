"""Features are the backbone's, computed once, and appear whole or not at all."""

from __future__ import annotations

import copy
import importlib.metadata
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from atrous.core.errors import AtrousError
from atrous.data.canvas import place
from atrous.data.dataset import IGNORE, Sample
from atrous.estimation import extraction as module
from atrous.estimation.extraction import Extraction, cached_features
from atrous.estimation.features import FeatureSet
from atrous.networks.backbones import Backbone, load_backbone
from tests.estimation.material import CHANNELS, CROP, FIT, SIZES, STRIDE, write_samples
from tests.processes import left_behind

Samples = tuple[Sample, ...]


class Counter:
    """Counts how many images are read; fails at one of them if told so."""

    def __init__(self, fail_at: int = -1, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.read, self.fail_at, self.error = 0, fail_at, error

    def __call__(self, path: Path) -> np.ndarray:
        self.read += 1
        if self.read == self.fail_at:
            raise self.error("in the middle")
        return np.array(Image.open(path).convert("RGB"))


@pytest.fixture
def few(tmp_path: Path) -> Samples:
    """Three images."""
    return write_samples(tmp_path / "few", SIZES[:3])


def folders(cache: Path) -> list[str]:
    """What lies in the cache, but for the files that lock it."""
    return sorted(path.name for path in (cache / "features").glob("*") if path.suffix != ".lock")


def test_features_are_what_the_backbone_gives(
    data: FeatureSet, samples: Samples, backbone: Backbone
) -> None:
    assert data.features[16].shape == (len(samples), CHANNELS, 5, 7)
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (backbone.mean, backbone.std))
    for number, sample in enumerate(samples):
        image: Image.Image = Image.open(sample.image)
        scale = min(1.0, CROP[0] / image.height, CROP[1] / image.width)
        size = (round(image.width * scale), round(image.height * scale))
        if scale < 1:
            image = image.resize(size, Image.Resampling.BILINEAR)
        canvas = Image.new("RGB", CROP[::-1], tuple(round(255 * mean) for mean in backbone.mean))
        canvas.paste(image, (0, 0))
        pixels = torch.from_numpy(np.array(canvas)).permute(2, 0, 1).float() / 255
        with torch.no_grad():
            expected = backbone(((pixels - mean) / std).unsqueeze(0))[STRIDE][0]
        torch.testing.assert_close(
            data.features[16][number].float(), expected, rtol=2e-3, atol=2e-3
        )
    assert data.features[16].float().std() > 0.01


def test_targets_are_every_fourth_label_and_ignored_beside_the_image(
    data: FeatureSet, samples: Samples
) -> None:
    assert data.targets.shape == (len(samples), 17, 25)
    for target, sample in zip(data.targets, samples, strict=True):
        mask = np.asarray(Image.open(sample.mask))
        if mask.shape == FIT:
            np.testing.assert_array_equal(target[:16, :24], mask[::4, ::4])
            assert (target[16:] == IGNORE).all()
            assert (target[:, 24:] == IGNORE).all()
        placed = place((mask.shape[0], mask.shape[1]), CROP).placed
        covered = [-(-side // 4) for side in placed]
        assert (target[covered[0] :] == IGNORE).all()
        assert (target[:, covered[1] :] == IGNORE).all()


def test_labels_are_the_masks_in_their_own_sizes(data: FeatureSet, samples: Samples) -> None:
    for label, sample in zip(data.labels(), samples, strict=True):
        np.testing.assert_array_equal(label, np.asarray(Image.open(sample.mask)))


def test_a_set_to_train_on_is_the_same_without_labels(
    data: FeatureSet, samples: Samples, backbone: Backbone, cache: Path
) -> None:
    found = cached_features(Extraction(samples, backbone, CROP, "cpu", (16,), labels=False), cache)
    assert torch.equal(found.features[16], data.features[16])
    assert torch.equal(found.targets, data.targets)
    assert found.placements == data.placements
    assert (found.has_labels, data.has_labels) == (False, True)
    assert {path.name for path in found.path.iterdir()} == {
        "about.json",
        "features-16.npy",
        "targets.npy",
    }
    with pytest.raises(ValueError, match="no labels to score on"):
        next(found.labels())


def test_a_mirror_image_is_an_image_of_its_own(
    few: Samples, backbone: Backbone, tmp_path: Path
) -> None:
    """Its maps are the backbone's of the mirrored pixels, which see at the same offsets; mirrored
    maps would see at others."""
    mirrored = write_samples(tmp_path / "mirrored", SIZES[:3])
    for sample in mirrored:
        for path in (sample.image, sample.mask):
            picture = Image.open(path)
            picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path)
    extraction = Extraction(few, backbone, CROP, "cpu", (8, 16))
    both = cached_features(replace(extraction, mirrored=True), tmp_path / "cache")
    alone = cached_features(replace(extraction, samples=mirrored), tmp_path / "cache")
    assert (len(both), both.images, alone.images) == (6, 3, 3)
    for stride in (8, 16):
        torch.testing.assert_close(
            both.features[stride][3:], alone.features[stride], rtol=2e-3, atol=2e-3
        )
        assert not torch.equal(both.features[stride][:3], alone.features[stride])
    assert torch.equal(both.targets[3:], alone.targets)
    assert both.placements[3:] == alone.placements
    for found, expected in zip(list(both.labels())[3:], alone.labels(), strict=True):
        assert torch.equal(found, expected)


def test_how_long_features_take_is_told_after_the_first_of_them(
    few: Samples,
    backbone: Backbone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(module, "BATCH", 1)
    extraction = Extraction(few, backbone, CROP, "cpu", (16,), labels=False, mirrored=True)
    monkeypatch.setattr(module, "WORTH_TELLING", 0)
    cached_features(extraction, tmp_path)
    told = capsys.readouterr().err
    assert "features of 3 images and their mirror images (test_efficientnet), 0 MB" in told
    assert told.count("note: the features will be there in about ") == 1


def test_labels_that_are_missing_from_the_cache_are_made(
    few: Samples, backbone: Backbone, tmp_path: Path
) -> None:
    extraction = Extraction(few, backbone, CROP, "cpu", (16,), labels=False)
    cached_features(extraction, tmp_path)
    found = cached_features(replace(extraction, labels=True), tmp_path)
    assert [tuple(label.shape) for label in found.labels()] == list(SIZES[:3])


def test_a_second_call_computes_nothing(
    data: FeatureSet,
    samples: Samples,
    backbone: Backbone,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counter = Counter()
    monkeypatch.setattr(module, "read_image", counter)
    again = cached_features(Extraction(samples, backbone, CROP, "cpu", (16,)), cache)
    assert again == data
    assert counter.read == 0


def test_the_key_tells_all_that_the_features_depend_on(few: Samples, backbone: Backbone) -> None:
    extraction = Extraction(few, backbone, CROP, "cpu", (16,))
    others = [
        replace(extraction, samples=few[:2]),
        replace(extraction, crop=(65, 81)),
        replace(extraction, labels=False),
        replace(extraction, mirrored=True),
        replace(extraction, backbone=load_backbone(backbone.name, "none", STRIDE, seed=1)),
        replace(extraction, backbone=load_backbone(backbone.name, "none", 8)),
        replace(extraction, backbone=load_backbone("tf_efficientnet_lite1", "none", STRIDE)),
    ]
    keys = [str(each.key()) for each in (extraction, *others)]
    assert len(set(keys)) == len(keys)
    same = replace(extraction, backbone=load_backbone(backbone.name, "none", STRIDE, seed=0))
    assert same.key() == extraction.key()
    before = extraction.key()
    changed = Image.open(few[0].mask)
    changed.putpixel((0, 0), 2 if changed.getpixel((0, 0)) != 2 else 1)
    changed.save(few[0].mask)
    assert extraction.key() != before


@pytest.mark.parametrize("package", ["torch", "timm", "pillow"])
def test_features_of_another_version_are_not_taken(
    few: Samples, backbone: Backbone, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    extraction = Extraction(few, backbone, CROP, "cpu", (16,))
    before = extraction.key()
    real = importlib.metadata.version
    monkeypatch.setattr(module, "version", lambda n: "0" if n == package else real(n))
    assert extraction.key() != before


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, RuntimeError])
def test_an_interrupted_extraction_leaves_nothing_and_is_repaired(
    few: Samples,
    backbone: Backbone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
) -> None:
    cache = tmp_path / "cache"
    extraction = Extraction(few, backbone, CROP, "cpu", (16,))
    with monkeypatch.context() as patch:
        patch.setattr(module, "read_image", Counter(fail_at=2, error=error))
        with pytest.raises(error):
            cached_features(extraction, cache)
    assert folders(cache) == []
    assert len(cached_features(extraction, cache)) == 3


def test_what_a_killed_extraction_left_is_replaced(
    few: Samples, backbone: Backbone, tmp_path: Path
) -> None:
    extraction = Extraction(few, backbone, CROP, "cpu", (16,))
    path = cached_features(extraction, tmp_path / "sound").path
    (tmp_path / "cache" / "features").mkdir(parents=True)
    left = left_behind(tmp_path / "cache" / "features")
    left.mkdir()
    (left / "features-16.npy").write_bytes(b"half")
    assert len(cached_features(extraction, tmp_path / "cache")) == 3
    assert folders(tmp_path / "cache") == [path.name]


def test_weights_that_are_no_numbers_are_refused(
    few: Samples, backbone: Backbone, tmp_path: Path
) -> None:
    broken = copy.deepcopy(backbone)
    with torch.no_grad():
        next(broken.parameters()).fill_(torch.nan)
    with pytest.raises(AtrousError, match=r"gives features that are not finite.*--weights"):
        cached_features(Extraction(few, broken, CROP, "cpu", (16,)), tmp_path)
    assert folders(tmp_path) == []


def test_a_cache_that_cannot_be_written_is_named(
    few: Samples, backbone: Backbone, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file in the place of the folder")
    with pytest.raises(AtrousError, match=r"write features to .*cache.*--cache"):
        cached_features(Extraction(few, backbone, CROP, "cpu", (16,)), tmp_path / "cache")


def test_a_disk_without_room_is_told_before_anything_is_computed(
    few: Samples, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = Counter()
    monkeypatch.setattr(module, "read_image", counter)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(AtrousError, match=r"features of 3 images take .*--cache.*--crop"):
        cached_features(Extraction(few, backbone, CROP, "cpu", (16,)), tmp_path)
    assert counter.read == 0
    assert folders(tmp_path) == []


def test_less_room_is_asked_for_without_labels(
    few: Samples, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = Extraction(few, backbone, CROP, "cpu", (16,), labels=False)
    taken = sum(path.stat().st_size for path in cached_features(without, tmp_path).path.iterdir())
    free = SimpleNamespace(free=1.2 * taken)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    assert len(cached_features(without, tmp_path / "cache")) == 3
    free.free = taken
    with pytest.raises(AtrousError, match="features of 3 images take"):
        cached_features(replace(without, labels=True), tmp_path / "cache")


def test_a_disk_that_fills_up_meanwhile_is_told(
    few: Samples, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_up(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fill_up)
    with pytest.raises(AtrousError, match=r"No space left on device.*--cache"):
        cached_features(Extraction(few, backbone, CROP, "cpu", (16,)), tmp_path)
    assert folders(tmp_path) == []


def cut_image(sample: Sample) -> Path:
    sample.image.write_bytes(sample.image.read_bytes()[:200])
    return sample.image


def scramble_image(sample: Sample) -> Path:
    sample.image.write_bytes(b"no image at all")
    return sample.image


def shrink_mask(sample: Sample) -> Path:
    Image.new("L", (5, 4)).save(sample.mask)
    return sample.mask


@pytest.mark.parametrize("damage", [cut_image, scramble_image, shrink_mask])
def test_a_file_that_does_not_serve_is_named(
    few: Samples, backbone: Backbone, tmp_path: Path, damage: Callable[[Sample], Path]
) -> None:
    path = damage(few[1])
    with pytest.raises(AtrousError) as told:
        cached_features(Extraction(few, backbone, CROP, "cpu", (16,)), tmp_path)
    assert str(path) in str(told.value)
    assert "--cache" not in str(told.value)
    assert folders(tmp_path) == []


def test_the_backbone_leaves_the_accelerator_when_the_features_are_there(
    few: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes there is a copy, of those layers that the maps depend on."""
    computed: list[Backbone] = []
    released: list[str] = []
    network = load_backbone("tf_efficientnet_lite0", "none", STRIDE)
    plain = module._features
    monkeypatch.setattr(
        module,
        "_features",
        lambda e, b, c: computed.append(b) or plain(e, b, c),  # type: ignore[func-returns-value]
    )
    monkeypatch.setattr(module, "release", released.append)
    wanted = Extraction(few, network, CROP, "cpu", (8,))
    cached_features(wanted, tmp_path)
    assert computed[0] is not network
    assert max(computed[0].channels) == 8
    assert max(network.channels) == STRIDE
    assert released == ["cpu"]
    cached_features(wanted, tmp_path)
    assert len(released) == 1
