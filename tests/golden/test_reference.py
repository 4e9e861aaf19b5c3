"""Values that the reference implementation gave, in TensorFlow, for weights and statistics that
follow a formula: n numbers are a * sin(0.7 i + p), filled row by row."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import prod

import pytest
import torch
from torch import Tensor, nn

from atrous.networks.layers import DepthwiseConvolution
from atrous.networks.network import Decoder
from atrous.spaces.auto_deeplab.trellis import stem_widths
from atrous.spaces.auto_deeplab.trunk import SeparableTwice, Trunk
from atrous.spaces.dpc.cell import FEATURES, Branch, Cell, GridPooling
from atrous.spaces.dpc.module import DensePredictionCell
from atrous.spaces.dpc.space import ASPP, TOP1
from atrous.tasks.segmentation.probabilities import class_scores
from atrous.training.optimiser import parameter_groups
from tests.networks.trunks import PUBLISHED_CELL, PUBLISHED_PATH, parameters, whole

DECAY = 4e-5
POOLING: Cell = (Branch(GridPooling((2, 4)), FEATURES),)


def wave(shape: tuple[int, ...], height: float, phase: float) -> Tensor:
    """height * sin(0.7 i + phase), row by row."""
    angles = 0.7 * torch.arange(prod(shape), dtype=torch.float64) + phase
    return (height * angles.sin()).view(shape).float()


@torch.no_grad()
def by_formula(module: nn.Module) -> nn.Module:
    """The module with the weights and statistics of the formula, in evaluation mode."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            size = (part.num_features,)
            part.weight.copy_(1 + wave(size, 0.2, 0))
            part.bias.copy_(wave(size, 0.2, 1))
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.copy_(wave(size, 0.2, 2))
            part.running_var.copy_(1 + wave(size, 0.5, 3))
        elif isinstance(part, nn.Conv2d):
            depthwise = isinstance(part, DepthwiseConvolution)
            height = 1.0 if depthwise else (2 / prod(part.weight.shape[1:])) ** 0.5
            part.weight.copy_(wave(tuple(part.weight.shape), height, 0))
    return module.eval()


def decayed(module: nn.Module) -> list[nn.Parameter]:
    """The parameters that weight decay holds back."""
    groups = parameter_groups(module).items()
    return [parameter for learning, group in groups if learning.decays for parameter in group]


def l2_term(module: nn.Module) -> float:
    """What weight decay adds to the loss, as TensorFlow has it: halved."""
    return sum(DECAY / 2 * float(p.detach().double().square().sum()) for p in decayed(module))


# Dense prediction cells -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "stride", "total", "largest", "corner", "middle", "term"),
    [
        (TOP1, 16, 3616.9961, 7.597414, (0.134523, 0.007345, 0.166341), (0, 0.319709, 0), 9.477760),
        (TOP1, 8, 2934.8554, 4.665182, (0.022517, 0.257031, 0), (0, 0.884275, 0), 9.477760),
        (ASPP, 16, 1640.1883, 0.774412, (0.524341, 0, 0.48772), (0.418263, 0, 0.40488), 9.575567),
    ],
    ids=["published best", "published best at stride 8", "ASPP as a cell"],
)
@torch.no_grad()
def test_cells_give_what_the_reference_gives(
    cell: Cell,
    stride: int,
    total: float,
    largest: float,
    corner: tuple[float, ...],
    middle: tuple[float, ...],
    term: float,
) -> None:
    module = by_formula(DensePredictionCell(cell, {stride: 6}, 8))
    found = module({stride: wave((2, 6, 17, 25), 1, 0.5)})
    assert float(found.double().sum()) == pytest.approx(total, rel=1e-6)
    assert float(found.max()) == pytest.approx(largest, abs=1e-5)
    assert found[0, :3, 0, 0].tolist() == pytest.approx(corner, abs=1e-5)
    assert found[0, :3, 8, 8].tolist() == pytest.approx(middle, abs=1e-5)
    assert l2_term(module) == pytest.approx(1e-4 * term, rel=1e-6)


@torch.no_grad()
def test_pooling_differs_from_the_references_as_it_is_meant_to() -> None:
    """The reference slides a window; ours are the means of disjoint cells, as the paper says."""
    module = by_formula(DensePredictionCell(POOLING, {16: 6}, 8))
    found = module({16: wave((2, 6, 17, 25), 1, 0.5)})
    sliding = 1091.7825
    assert float(found.double().sum()) == pytest.approx(1091.4004, rel=1e-6)
    assert float(found.double().sum()) == pytest.approx(sliding, rel=1e-3)
    assert float(found.max()) == pytest.approx(0.431588, abs=0.02)
    assert found[0, :3, 0, 0].tolist() == pytest.approx((0.256753, 0.42591, 0.430085), abs=0.02)
    assert found[0, :3, 8, 8].tolist() == pytest.approx((0.255762, 0.425783, 0.431535), abs=0.02)
    assert l2_term(module) == pytest.approx(3.168219e-4, rel=1e-6)


def test_the_published_cell_with_decoder_and_scores_is_as_large_as_the_references() -> None:
    cell = DensePredictionCell(TOP1, {16: 40}, 256)
    parts = (cell, Decoder({4: 24}, cell), class_scores(256, 19))
    assert sum(map(parameters, parts)) == 771_515


# Auto-DeepLab ---------------------------------------------------------------------------------


@cache
def endpoints() -> dict[str, Tensor]:
    """The outputs of the stem and of some layers of the published network, F = 16."""
    trunk = by_formula(Trunk(PUBLISHED_PATH, PUBLISHED_CELL, 16))
    with torch.no_grad():
        return dict(outputs(trunk, wave((1, 3, 33, 65), 1, 0.5)))


def outputs(trunk: nn.Module, images: Tensor) -> Iterator[tuple[str, Tensor]]:
    """The output of the stem, and that of each layer, by name."""
    assert isinstance(trunk, Trunk)
    y, x = trunk.stem(images)
    yield "stem", x
    for number, layer in enumerate(trunk.layers):
        y, x = x, layer(x, y)
        yield f"layer {number}", x


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("stem", 96620.1516),
        ("layer 2", 6.8247851e10),
        ("layer 4", 6.9777221e12),
        ("layer 9", 9.8517539e16),
        ("layer 11", 4.7146311e18),
    ],
)
def test_layers_give_what_the_reference_gives(name: str, total: float) -> None:
    assert float(endpoints()[name].double().abs().sum()) == pytest.approx(total, rel=1e-5)


def test_the_largest_number_of_a_layer_is_the_references() -> None:
    assert float(endpoints()["layer 2"].max()) == pytest.approx(1.1012040e8, rel=1e-5)


def test_all_convolutions_of_the_trunk_decay_depthwise_ones_among_them() -> None:
    trunk = by_formula(Trunk(PUBLISHED_PATH, PUBLISHED_CELL, 16))
    assert (len(decayed(trunk)), len(kernels(trunk))) == (399, 168)
    assert l2_term(trunk) == pytest.approx(1.709429, rel=1e-6)
    with torch.device("meta"):
        small = Trunk(PUBLISHED_PATH, PUBLISHED_CELL, 20)
    assert sum(kernel.numel() for kernel in kernels(small)) == 182_040


def kernels(trunk: nn.Module) -> list[nn.Parameter]:
    """The depthwise ones of the parameters that decay."""
    return [parameter for parameter in decayed(trunk) if parameter.shape[1] == 1]


def test_the_penalty_of_the_small_network_is_the_references() -> None:
    """Of weights drawn with a variance of 2 / fan-in, as the reference's were there: by arithmetic,
    to what the draw of 10 million numbers leaves to chance."""
    with torch.device("meta"):
        network = whole(PUBLISHED_PATH, PUBLISHED_CELL, 20)
    terms = [
        DECAY / 2 * sum(2 * w.numel() / prod(w.shape[1:]) for w in weights)
        for weights in (decayed(network), [w for w in decayed(network) if w.shape[1] > 1])
    ]
    assert terms == pytest.approx([1.1786717, 0.7186018], rel=2e-3)


def test_the_parts_of_the_small_network_are_as_large_as_the_references() -> None:
    with torch.device("meta"):
        network = whole(PUBLISHED_PATH, PUBLISHED_CELL, 20)
    assert network.decoder is not None
    parts = (network.backbone, network.head, network.decoder, network.logits)
    assert [parameters(part) for part in parts] == [7_030_832, 1_815_552, 1_296_160, 4_883]
    assert parameters(network) == 10_147_427


def test_the_maps_of_an_image_of_321_pixels_are_the_references() -> None:
    with torch.device("meta"):
        trunk = Trunk(PUBLISHED_PATH, PUBLISHED_CELL, 10)
        found = dict(outputs(trunk, torch.empty(1, 3, 321, 321)))
    shapes = [tuple(maps.shape[1:]) for maps in found.values()]
    sides = (81, 81, 81, 81, 41, 21, 41, 21, 21, 11, 11, 21, 41)
    assert [shape[1:] for shape in shapes] == [(side, side) for side in sides]
    layers = (50, 50, 50, 100, 200, 100, 200, 200, 400, 400, 200, 100)
    # The stem of ours is narrower below F = 16; from there on it is as wide as the reference's.
    assert [shape[0] for shape in shapes] == [80, *layers]
    assert stem_widths(16)[-1] == 128


def test_class_scores_have_biases_that_learn_twice_as_fast() -> None:
    network = whole(PUBLISHED_PATH, PUBLISHED_CELL, 2)
    groups = parameter_groups(network).items()
    fast = [p for learning, group in groups if learning.times == 2 for p in group]
    assert [id(p) for p in fast] == [id(network.logits.bias)]


@pytest.mark.parametrize(
    ("kernel", "channels", "left"), [(3, 20, 0.81), (3, 160, 0.44), (5, 160, 0.44)]
)
@torch.no_grad()
def test_depthwise_kernels_start_so_small_that_a_batch_norm_cannot_restore_the_scale(
    kernel: int, channels: int, left: float
) -> None:
    """By arithmetic, sqrt(v / (v + 1e-3)) where v = 0.341 / 9 C: of a ReLU's output, of normal
    numbers, a third by 1 / C in the depthwise half and a third in the pointwise one. Drawn by the
    fan-in of one channel, 0.98 would be left at 160 channels."""
    torch.manual_seed(0)
    layers = list(SeparableTwice(channels, kernel, 1).train())
    maps = torch.randn(4, channels, 65, 65)
    for layer in layers[:4]:
        maps = layer(maps)
    assert float(maps.std()) == pytest.approx(left, abs=0.03)


@torch.no_grad()
def test_in_the_network_as_much_of_the_scale_is_left_as_in_the_references() -> None:
    """On the first layer of each kind; a 5x5 one whose maps have been made small loses the most."""
    torch.manual_seed(0)
    trunk = Trunk(PUBLISHED_PATH, PUBLISHED_CELL, 20).train()
    found: dict[tuple[int, int], list[float]] = {}
    for part in trunk.modules():
        if isinstance(part, SeparableTwice):
            first = part[1]
            assert isinstance(first, nn.Conv2d)
            of_kind = found.setdefault((first.in_channels, first.kernel_size[0]), [])
            part[3].register_forward_hook(
                lambda _, __, maps, left=of_kind: left.append(float(maps.std()))
            )
    trunk(torch.randn(2, 3, 97, 97))
    left = (found[20, 3][0], found[160, 3][0], min(found[160, 5]))
    assert left == pytest.approx((0.817, 0.370, 0.086), rel=0.08)
