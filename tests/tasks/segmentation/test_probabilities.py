"""Class probabilities of one image, at one and at several scales, whole and in tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from atrous.tasks.segmentation.probabilities import probabilities

CLASSES = 4


class Wide(nn.Module):
    """Two 3x3 convolutions with batch norm between; keeps the sizes of what it saw."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, CLASSES, 3, padding=1),
        )
        self.seen: list[tuple[int, ...]] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(tuple(images.shape[-2:]))
        return cast(Tensor, self.layers(images))


def image(height: int, width: int) -> Tensor:
    return torch.randn(3, height, width, generator=torch.Generator().manual_seed(1))


def plain() -> nn.Module:
    """A network of single pixels."""
    torch.manual_seed(2)
    return nn.Conv2d(3, CLASSES, 1)


def test_a_single_scale_is_the_softmax_of_the_logits() -> None:
    network, picture = Wide().eval(), image(9, 14)
    found = probabilities(network, picture)
    assert found.shape == (CLASSES, 9, 14)
    assert found.dtype == torch.float32
    with torch.no_grad():
        torch.testing.assert_close(found, network(picture[None])[0].softmax(0))


@pytest.mark.parametrize(("scale", "size"), [(0.5, (17, 33)), (2.0, (65, 129)), (0.75, (25, 49))])
def test_corners_stay_corners_at_every_scale(scale: float, size: tuple[int, int]) -> None:
    network = Wide()
    probabilities(network, image(33, 65), (scale,))
    assert network.seen == [size]


@pytest.mark.parametrize("scale", [0.3, 0.5, 1.7, 2.0])
def test_what_is_linear_is_not_moved_by_resizing(scale: float) -> None:
    rows, columns = torch.linspace(-1, 1, 21)[:, None], torch.linspace(-2, 1, 34)
    picture = torch.stack([rows + 0 * columns, 0 * rows + columns, rows - columns])
    network = plain()
    logits = network(picture[None])[0].detach()
    torch.testing.assert_close(probabilities(network, picture, (scale,)), logits.softmax(0))


def test_several_scales_are_averaged_as_probabilities() -> None:
    network, picture = Wide(), image(20, 31)
    scales = (0.5, 1.0, 1.5)
    each = torch.stack([probabilities(network, picture, (scale,)) for scale in scales])
    torch.testing.assert_close(probabilities(network, picture, scales), each.mean(0))


def test_a_flip_is_undone_before_the_mean() -> None:
    network, picture = Wide(), image(12, 17)
    mirrored = probabilities(network, picture.flip(-1)).flip(-1)
    expected = (probabilities(network, picture) + mirrored) / 2
    torch.testing.assert_close(probabilities(network, picture, flip=True), expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 1)])
def test_tiny_images_have_probabilities_at_small_scales(size: Sequence[int]) -> None:
    found = probabilities(Wide(), image(*size), (0.1, 0.5), flip=True)
    assert found.shape == (CLASSES, *size)
    torch.testing.assert_close(found.sum(0), torch.ones(*size))


def test_a_network_in_training_is_evaluated_and_left_as_it_was() -> None:
    network, picture = Wide(), image(8, 8)
    expected = probabilities(network.eval(), picture)
    network.train()
    frozen = network.layers[1].eval()
    statistics = network.layers[1].state_dict()["running_mean"].clone()
    found = probabilities(network, picture)
    torch.testing.assert_close(found, expected)
    assert network.training
    assert network.layers[0].training
    assert not frozen.training
    assert torch.equal(network.layers[1].state_dict()["running_mean"], statistics)


def test_the_result_can_be_used_like_any_tensor() -> None:
    found = probabilities(Wide(), image(5, 5))
    assert not found.requires_grad
    assert not found.is_inference()


@pytest.mark.parametrize("size", [(40, 90), (90, 40), (33, 200), (70, 70), (20, 20)])
def test_tiles_change_nothing_where_a_pixel_depends_on_itself_alone(size: tuple[int, int]) -> None:
    network, picture = plain(), image(*size)
    whole = probabilities(network, picture, flip=True)
    torch.testing.assert_close(probabilities(network, picture, flip=True, tile=32), whole)


def test_no_tile_is_longer_than_asked() -> None:
    network = Wide()
    probabilities(network, image(100, 150), tile=48)
    assert len(network.seen) > 1
    assert max(max(size) for size in network.seen) <= 48


def test_the_edge_of_a_tile_counts_little() -> None:
    network, picture = Wide(), image(64, 64)
    whole, tiled = (probabilities(network, picture, tile=tile) for tile in (None, 40))
    apart = (whole - tiled).abs()
    assert 0 < apart.max() < 0.2
    assert (apart < 1e-5).float().mean() > 0.7
