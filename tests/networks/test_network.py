"""The whole network: any size in, the same size out, exact where features lie."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from atrous.networks.layers import interpolation, resample
from atrous.networks.network import Network, initialise, pad_to_canvas
from atrous.networks.pyramid import enlarge, onto
from atrous.spaces.blueprint import build_network
from tests.cases import each
from tests.training.material import BLUEPRINT, network

SIZES = [(1, 1), (1, 40), (16, 16), (17, 33), (18, 34), (37, 50), (64, 96), (65, 97)]


@pytest.fixture(scope="module")
def networks() -> dict[tuple[int, bool], Network]:
    """By output stride, and whether there is a decoder."""
    return {
        (stride, decoder): network(seed=1, output_stride=stride, decoder=decoder)
        for stride in (8, 16)
        for decoder in (False, True)
    }


def images(size: tuple[int, int]) -> torch.Tensor:
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(sum(size)))


@each("stride", [8, 16])
@each("size", SIZES)
def test_images_are_padded_to_a_canvas(size: tuple[int, int], stride: int) -> None:
    image = images(size)
    canvas = pad_to_canvas(image, stride)
    for side, padded in zip(size, canvas.shape[2:], strict=True):
        assert padded % stride == 1
        assert side <= padded < side + stride
    assert torch.equal(canvas[:, :, : size[0], : size[1]], image)
    assert not canvas[:, :, size[0] :].any()
    assert not canvas[:, :, :, size[1] :].any()


@each("decoder", [False, True])
@each("stride", [8, 16])
@each("size", SIZES)
@torch.no_grad()
def test_logits_are_exact_where_features_lie(
    size: tuple[int, int],
    stride: int,
    decoder: bool,
    networks: dict[tuple[int, bool], Network],
) -> None:
    one, own = networks[stride, decoder], 4 if decoder else stride
    found = one(images(size))
    assert found.shape == (2, 3, *size)
    assert found.isfinite().all()
    canvas = pad_to_canvas(images(size), stride)
    coarse = one.coarse(canvas)
    assert coarse.shape[2:] == tuple((side - 1) // own + 1 for side in canvas.shape[2:])
    there = found[..., ::own, ::own]
    expected = coarse[..., : there.shape[2], : there.shape[3]]
    assert torch.allclose(there, expected, atol=1e-5)


@torch.no_grad()
def test_between_features_logits_are_interpolated(
    networks: dict[tuple[int, bool], Network],
) -> None:
    one = networks[16, False]
    found, coarse = one(images((33, 49))), one.coarse(images((33, 49)))
    middle = (coarse[..., 0, 0] + coarse[..., 0, 1] + coarse[..., 1, 0] + coarse[..., 1, 1]) / 4
    assert torch.allclose(found[..., 8, 8], middle, atol=1e-6)
    quarter = 0.75 * coarse[..., 2, 1] + 0.25 * coarse[..., 2, 2]
    assert torch.allclose(found[..., 32, 20], quarter, atol=1e-6)


@torch.no_grad()
def test_images_of_a_batch_do_not_see_each_other(
    networks: dict[tuple[int, bool], Network],
) -> None:
    one = networks[16, True]
    both = images((37, 50))
    assert torch.allclose(one(both)[1:], one(both[1:]), atol=1e-5)


def test_gradients_reach_every_weight(networks: dict[tuple[int, bool], Network]) -> None:
    one = networks[16, True].train()
    loss = functional.cross_entropy(one(images((33, 49))), torch.ones(2, 33, 49).long())
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in one.parameters())
    one.eval()


def test_a_network_that_rounds_sizes_down_is_padded_further() -> None:
    """Some backbones take multiples of the stride only."""
    from dataclasses import replace

    one = build_network(replace(BLUEPRINT, backbone="mobilevit_xxs"))
    with torch.no_grad():
        assert one(images((37, 50))).shape == (2, 3, 37, 50)
        assert one.coarse(images((33, 49))).shape == (2, 3, 3, 4)


def read(
    maps: torch.Tensor, stride: int, offset: float, places: list[torch.Tensor]
) -> torch.Tensor:
    """Maps read at pixels, by matrices."""
    rows, columns = (
        interpolation((pixels - offset) / stride, side)
        for pixels, side in zip(places, maps.shape[2:], strict=True)
    )
    return resample(maps, rows, columns)


@each("ratio", [2, 4, 8, 16])
def test_enlarged_maps_are_read_where_they_are_shifted_to(ratio: int) -> None:
    maps = torch.randn(1, 2, 5, 7, dtype=torch.float64)
    size = (4 * ratio + 1, 6 * ratio + 1)
    places = [torch.arange(side, dtype=torch.float64) for side in size]
    for halves in range(-5 * ratio, 5 * ratio):
        larger, first = enlarge(maps, ratio, halves / 2, size)
        found = larger[..., first : first + size[0], first : first + size[1]]
        torch.testing.assert_close(found, read(maps, ratio, halves / 2, places))


@each("offsets", [{}, {16: 7.5}, {16: 14.0, 8: 2.0}, {16: -11.0, 8: -3.0}])
def test_a_map_is_read_where_another_stride_sees(offsets: dict[int, float]) -> None:
    deep, fine = torch.randn(1, 2, 5, 7), torch.randn(1, 2, 9, 13)
    for maps, own, other in ((deep, 16, 8), (fine, 8, 16)):
        size = {16: (5, 7), 8: (9, 13)}[other]
        places = [torch.arange(side) * other + offsets.get(other, 0.0) for side in size]
        expected = read(maps, own, offsets.get(own, 0.0), places)
        if own == 16 and offsets == {16: 7.5}:  # fifteen sixteenths are rounded to one
            expected = read(maps, own, 8.0, places)
        torch.testing.assert_close(onto(maps, own, other, size, offsets), expected)


@each("decoder", [False, True])
@each("offset", [9.0, 7.5, -12.5, 40.0])
@torch.no_grad()
def test_logits_are_read_where_features_see(offset: float, decoder: bool) -> None:
    one = network(seed=1, decoder=decoder, offsets={16: offset, 4: offset / 2})
    own = 4 if decoder else 16
    for size in SIZES:
        canvas = pad_to_canvas(images(size), 16)
        places = [torch.arange(side) for side in size]
        shift = round(2 * one.backbone.offsets[own]) / 2
        expected = read(one.coarse(canvas), own, shift, places)
        torch.testing.assert_close(one(images(size)), expected, rtol=1e-4, atol=1e-4)


def test_first_weights_by_he_are_drawn_from_the_seed_and_leave_the_encoder() -> None:
    one, two, other = (build_network(BLUEPRINT) for _ in range(3))
    before = {name: value.clone() for name, value in one.backbone.state_dict().items()}
    for drawn, seed in ((one, 1), (two, 1), (other, 2)):
        torch.manual_seed(seed)
        initialise(drawn, "he")
    layer = next(m for m in one.head.modules() if isinstance(m, torch.nn.Conv2d))
    fan_in = layer.weight[0].numel()
    assert float(layer.weight.detach().abs().max()) <= (6 / fan_in) ** 0.5
    assert float(layer.weight.detach().std()) == pytest.approx((2 / fan_in) ** 0.5, rel=0.3)
    twice = two.state_dict()
    assert all(torch.equal(value, twice[name]) for name, value in one.state_dict().items())
    kept = one.backbone.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in before.items())
    assert not torch.equal(one.logits.weight, other.logits.weight)
