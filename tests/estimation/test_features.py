"""A feature set on disk: small to pass on, and any damage is found."""

from __future__ import annotations

import copy
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import torch
from torch import nn

from atrous.core.errors import AtrousError
from atrous.estimation.features import ABOUT, LABELS, TARGETS, FeatureSet, checksum
from atrous.networks.backbones import Backbone


@pytest.fixture
def kept(data: FeatureSet, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(data.path, tmp_path / "set"))


def test_a_sound_set_is_verified(kept: Path) -> None:
    FeatureSet(kept).verify()


def test_it_pickles_as_its_path(data: FeatureSet) -> None:
    used = FeatureSet(data.path)
    assert used.features[16].shape[0] == used.targets.shape[0] == len(used)
    pickled = pickle.dumps(used)
    assert len(pickled) < 500
    assert torch.equal(pickle.loads(pickled).features[16], used.features[16])


def test_features_lie_channels_last(data: FeatureSet) -> None:
    assert data.features[16].dtype == torch.float16
    assert data.features[16].is_contiguous(memory_format=torch.channels_last)


def test_writing_to_a_map_leaves_the_file_alone(kept: Path) -> None:
    before = checksum(kept / "features-16.npy")
    FeatureSet(kept).features[16].zero_()
    assert checksum(kept / "features-16.npy") == before


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def scramble(path: Path) -> None:
    path.write_bytes(Random(0).randbytes(300))


@pytest.mark.parametrize("damage", [flip, cut, scramble, Path.unlink])
@pytest.mark.parametrize("name", ["features-16.npy", TARGETS, LABELS])
def test_a_damaged_array_is_named_with_the_mend(
    kept: Path, name: str, damage: Callable[[Path], None]
) -> None:
    damage(kept / name)
    with pytest.raises(AtrousError, match=rf"{name}, but .*Delete the folder {kept}; it is comp"):
        FeatureSet(kept).verify()


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "7", "[]", "{}", "\x00", '{"checksums": {}}', '{"checksums": 1}'),
        *('{"labels": true, "checksums": {}}', '{"labels": false, "checksums": 1}'),
    ],
)
def test_a_damaged_description_is_named_with_the_mend(kept: Path, text: str) -> None:
    (kept / ABOUT).write_text(text)
    with pytest.raises(
        AtrousError, match=rf"about\.json(, but| was written).*Delete the folder {kept}"
    ):
        FeatureSet(kept).verify()


@pytest.mark.parametrize("key", ["original", "placed", "crop"])
@pytest.mark.parametrize("value", [None, [], 3, [[1]], [[0, 0]], [["a", "b"]]])
def test_a_description_without_sizes_is_named(kept: Path, key: str, value: object) -> None:
    about = json.loads((kept / ABOUT).read_text())
    (kept / ABOUT).write_text(json.dumps(about | {key: value}))
    with pytest.raises(AtrousError, match=r"about\.json"):
        FeatureSet(kept).verify()


def test_no_flipped_byte_of_the_description_changes_what_is_read(kept: Path) -> None:
    sound, rng = (kept / ABOUT).read_bytes(), Random(0)
    expected = FeatureSet(kept).placements
    for position in range(0, len(sound), 3):
        content = bytearray(sound)
        content[position] ^= 1 << rng.randrange(7)
        (kept / ABOUT).write_bytes(content)
        changed = FeatureSet(kept)
        try:
            changed.verify()
        except AtrousError:
            continue
        assert changed.placements == expected


def test_a_feature_position_sits_on_its_pixel(backbone: Backbone) -> None:
    """The pixels that a position depends on lie symmetric around position * stride."""
    network = _positive(copy.deepcopy(backbone))
    images = torch.zeros(1, 3, 17, 1025, requires_grad=True)
    network(images)[16][0, :, 0, 32].sum().backward()
    assert images.grad is not None
    reached = images.grad.abs().sum((0, 1, 2)).nonzero().flatten()
    assert reached.min() > 0
    assert int(reached.min() + reached.max()) == 2 * 32 * 16


def _positive(network: Backbone) -> Backbone:
    """The same geometry, without anything that could hide a dependence."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU | nn.ReLU6):
                setattr(module, name, nn.Identity())
            if isinstance(child, nn.Conv2d):
                nn.init.constant_(child.weight, 1 / child.weight[0].numel())
    return network
