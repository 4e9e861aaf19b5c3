"""Mixing the same maps for several readers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from atrous.spaces.auto_deeplab.relaxation import cell
from atrous.spaces.auto_deeplab.relaxation.cell import mixed


@pytest.mark.parametrize("few", [1, 100])
@pytest.mark.parametrize("based", [False, True])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_each_reader_gets_the_maps_times_its_gains(
    few: int,
    based: bool,
    count: int,
    layout: torch.memory_format,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cell, "FEW", few)
    draw = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=draw)

    maps = [drawn(2, 3, 4, 5).contiguous(memory_format=layout) for _ in range(count)]
    gains = [drawn(6) for _ in range(count)]
    base = drawn(2, 6, 4, 5).contiguous(memory_format=layout)
    asked = [tensor.requires_grad_() for tensor in (*maps, *gains)]
    expected = sum(
        (
            part.repeat(1, 2, 1, 1) * gain.view(6, 1, 1)
            for part, gain in zip(maps, gains, strict=True)
        ),
        start=base if based else torch.zeros_like(base),
    )
    found = mixed(base.clone() if based else None, maps, gains)
    assert torch.allclose(found, expected)
    factors = drawn(2, 6, 4, 5)
    pairs = (torch.autograd.grad((out * factors).sum(), asked) for out in (found, expected))
    for own, theirs in zip(*pairs, strict=True):
        assert torch.allclose(own, theirs)
