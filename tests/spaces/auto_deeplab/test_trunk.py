"""The trunk and whole networks: shapes on any path, and the published sizes to the last digit."""

from __future__ import annotations

from random import Random

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.networks.network import Network
from atrous.spaces.auto_deeplab.trellis import Path
from atrous.spaces.auto_deeplab.trunk import AtrousConvolution, Layer, Trunk
from tests.networks.trunks import (
    PUBLISHED_CELL,
    PUBLISHED_PATH,
    parameters,
    random_cell,
    random_path,
    whole,
)

PATHS: list[Path] = [(0,), (1,), (1, 1), (0, 1, 0), (0, 1, 2, 3), (1, 2, 3, 2), (1, 0, 1, 0, 0)]


@pytest.mark.parametrize(
    ("filters", "network", "trunk", "million", "printed"),
    [
        (20, 10_147_427, 7_030_832, "10.147", 10.15),
        (32, 21_622_451, 17_612_096, "21.622", 21.62),
        (48, 44_424_691, 39_222_656, "44.425", 44.42),
    ],
)
def test_the_published_networks_have_the_printed_parameters(
    filters: int, network: int, trunk: int, million: str, printed: float
) -> None:
    """S, M and L of Liu et al. 2019, table 2; 44.4247 is printed cut, the others round."""
    found = blank(filters)
    assert parameters(found) == network
    assert parameters(found.backbone) == trunk
    assert f"{network / 1e6:.3f}" == million
    assert abs(network / 1e6 - printed) < 0.005


@pytest.mark.parametrize(("filters", "millions"), [(20, 5.56), (32, 9.83), (48, 17.83)])
def test_separable_atrous_convolutions_would_be_half_the_network(
    filters: int, millions: float
) -> None:
    """What a public implementation builds: depthwise and 1x1 in the place of each dense one."""
    found = blank(filters)
    dense = [part for part in found.modules() if isinstance(part, AtrousConvolution)]
    saved = 0
    for convolution in (part.convolution for part in dense):
        channels, taps = convolution.out_channels, convolution.kernel_size[0] ** 2
        saved += taps * channels * channels - (taps * channels + channels * channels)
    assert (parameters(found) - saved) / 1e6 == pytest.approx(millions, abs=0.005)
    assert len(dense) == 3 * len(PUBLISHED_PATH)


@pytest.mark.parametrize("path", PATHS, ids=str)
@torch.no_grad()
def test_the_maps_are_those_it_tells_of(path: Path) -> None:
    trunk = Trunk(path, random_cell(Random(1), 2), 2).eval()
    maps = trunk(torch.randn(2, 3, 33, 65))
    assert trunk.output_stride == 4 << path[-1]
    assert maps.keys() == trunk.channels.keys() == {4, trunk.output_stride}
    for stride, found in maps.items():
        assert found.shape == (2, trunk.channels[stride], 32 // stride + 1, 64 // stride + 1)


@torch.no_grad()
def test_every_layer_reads_the_two_before() -> None:
    """And the first two what the stem gives at strides 2 and 4."""
    trunk = Trunk((0, 1, 2, 1, 0), random_cell(Random(2), 3), 2).eval()
    read: list[tuple[Tensor, Tensor]] = []
    given: list[Tensor] = [*trunk.stem(image := torch.randn(1, 3, 33, 33))]
    for layer in trunk.layers:
        layer.register_forward_pre_hook(lambda _, maps: read.append(maps))
        layer.register_forward_hook(lambda _, _maps, made: given.append(made))
    trunk(image)
    assert len(read) == 5
    for number, (x, y) in enumerate(read):
        torch.testing.assert_close(y, given[number])
        torch.testing.assert_close(x, given[number + 1])


@pytest.mark.parametrize(
    ("path", "low"), [((0, 0, 0, 1, 2, 1), 2), ((1, 0, 1, 1), 1), ((1, 2, 1), None)], ids=str
)
@torch.no_grad()
def test_the_map_at_stride_4_is_the_last_there(path: Path, low: int | None) -> None:
    trunk = Trunk(path, random_cell(Random(3), 3), 2).eval()
    given: list[Tensor] = []
    for layer in trunk.layers:
        layer.register_forward_hook(lambda _, _x, y: given.append(y))
    image = torch.randn(1, 3, 33, 33)
    found = trunk(image)
    expected = trunk.stem(image)[1] if low is None else given[low]
    torch.testing.assert_close(found[4], expected)
    torch.testing.assert_close(found[trunk.output_stride], functional.relu(given[-1]))
    assert (found[4] < 0).any()


@torch.no_grad()
def test_a_network_that_ends_at_stride_4_gives_its_last_map_there() -> None:
    trunk = Trunk((0, 1, 0), random_cell(Random(4), 2), 2).eval()
    (only,) = trunk(torch.randn(1, 3, 33, 33)).values()
    assert only.shape[1:] == (trunk.channels[4], 9, 9)
    assert (only >= 0).all()


@torch.no_grad()
def test_the_stem_is_three_convolutions() -> None:
    """With ReLU between them alone, and not in place."""
    stem, image = Trunk((0,), random_cell(Random(0), 1), 2).stem.eval(), torch.randn(1, 3, 33, 49)
    kernels = [part.weight for part in stem.modules() if isinstance(part, nn.Conv2d)]
    shrink = (1 + 1e-3) ** 0.5
    first = functional.conv2d(image, kernels[0], stride=2, padding=1) / shrink
    second = functional.conv2d(functional.relu(first), kernels[1], padding=1) / shrink
    third = functional.conv2d(functional.relu(second), kernels[2], stride=2, padding=1) / shrink
    for found, expected in zip(stem(image), (second, third), strict=True):
        torch.testing.assert_close(found, expected)
    assert [len(kernel) for kernel in kernels] == [8, 8, 16]


@pytest.mark.parametrize("seed", range(6))
def test_layers_know_which_maps_fit(seed: int) -> None:
    """A map is resized where its size differs, and there alone."""
    rng = Random(seed)
    trunk = Trunk(random_path(rng, 8), random_cell(rng, 2), 1).to("meta").eval()
    for layer in trunk.layers:
        layer.register_forward_pre_hook(check_fit)
    trunk(torch.empty(1, 3, 65, 97, device="meta"))


def check_fit(layer: nn.Module, maps: tuple[Tensor, Tensor]) -> None:
    assert isinstance(layer, Layer)
    x, y = (tuple(one.shape[2:]) for one in maps)
    wanted = tuple(2 * side - 1 for side in x) if layer.move < 0 else x
    assert layer.y_fits == (y == wanted)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 33), (50, 67)], ids=str)
@torch.no_grad()
def test_images_of_any_size_are_taken(size: tuple[int, int]) -> None:
    for path in ((0, 1, 2, 1), (0, 1, 2, 3), (1, 0)):
        found = whole(path, random_cell(Random(5), 2), 1, classes=3)(torch.randn(2, 3, *size))
        assert found.shape == (2, 3, *size)
        assert found.isfinite().all()


def test_gradients_reach_every_weight_of_the_published_network() -> None:
    found = whole(PUBLISHED_PATH, PUBLISHED_CELL, 1, classes=3).train()
    found(torch.randn(2, 3, 33, 33)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in found.parameters())


def test_images_are_normalised_to_one_either_way() -> None:
    trunk = Trunk((0,), random_cell(Random(0), 1), 20)
    assert (trunk.mean, trunk.std, trunk.canvas) == ((0.5,) * 3, (0.5,) * 3, 32)
    assert trunk.name == "auto_deeplab F=20"


def blank(filters: int) -> Network:
    """The published network without storage."""
    with torch.device("meta"):
        return whole(PUBLISHED_PATH, PUBLISHED_CELL, filters)
