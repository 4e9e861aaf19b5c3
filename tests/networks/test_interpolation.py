from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from atrous.networks.layers import interpolation, resample
from atrous.networks.pyramid import nearest


@pytest.mark.parametrize(
    ("size", "target"), [((3, 5), (9, 17)), ((5, 4), (5, 4)), ((9, 7), (4, 3)), ((1, 6), (1, 11))]
)
def test_it_is_torchs_with_aligned_corners(size: tuple[int, int], target: tuple[int, int]) -> None:
    maps = torch.randn(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rows, columns = (
        interpolation(torch.linspace(0, n - 1, m, dtype=torch.float64), n)
        for n, m in zip(size, target, strict=True)
    )
    expected = functional.interpolate(maps, target, mode="bilinear", align_corners=True)
    torch.testing.assert_close(resample(maps, rows, columns), expected)


def test_a_line_is_read_between_its_positions() -> None:
    line = torch.tensor([10.0, 20.0, 40.0])
    read = interpolation(torch.tensor([0.0, 0.25, 1.0, 1.5, 2.0]), 3) @ line
    assert read.tolist() == [10.0, 12.5, 20.0, 30.0, 40.0]


def test_coordinates_beyond_the_ends_read_the_ends() -> None:
    line = torch.tensor([10.0, 20.0, 40.0])
    assert (interpolation(torch.tensor([-3.0, 2.1, 9.0]), 3) @ line).tolist() == [10.0, 40.0, 40.0]


def test_a_single_position_is_read_everywhere() -> None:
    assert interpolation(torch.tensor([0.0, 0.5, 7.0]), 1).tolist() == [[1.0], [1.0], [1.0]]


@pytest.mark.parametrize("offset", [0.0, 8.0, 10.0, -3.5, -24.0])
@pytest.mark.parametrize(("stride", "target"), [(16, 8), (32, 8), (32, 4)])
def test_the_nearest_position_is_read_where_maps_see(
    stride: int, target: int, offset: float
) -> None:
    """Of positions along one axis: those of the finer map lie at target * j, of the other at
    stride * i + offset."""
    count = 5
    fine = stride // target * (count - 1) + 1
    maps = torch.arange(float(count)).expand(1, 1, count, count).contiguous()
    found = nearest(maps, stride, target, (fine, fine), {stride: offset})
    apart = round(offset / target) * target
    expected = [
        min(range(count), key=lambda i: abs(target * j - stride * i - apart)) for j in range(fine)
    ]
    assert found[0, 0, 0].tolist() == expected
    turned = nearest(maps.mT.contiguous(), stride, target, (fine, fine), {stride: offset})
    assert torch.equal(turned, found.mT)


def test_every_row_is_a_weighted_mean() -> None:
    matrix = interpolation(torch.linspace(-1, 12, 57, dtype=torch.float64), 11)
    assert matrix.shape == (57, 11)
    assert (matrix >= 0).all()
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(57, dtype=torch.float64))
