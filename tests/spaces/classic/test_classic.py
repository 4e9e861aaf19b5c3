"""Well-known decoders: what they read, and that they are what their names say."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from atrous.data.canvas import feature_size
from atrous.spaces import find_architecture
from atrous.spaces.classic import NAMES, classic
from atrous.spaces.classic.module import FeaturePyramid

CHANNELS = {2: 16, 4: 24, 8: 32, 16: 96, 32: 320}
"""The maps of MobileNet-v2 at output stride 32."""
READS = {
    "1x1": (32,),
    "lraspp": (8, 32),
    "fpn": (4, 8, 16, 32),
    "unet": (4, 8, 16, 32),
    "deeplabv3plus": (4, 32),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_enough_and_each_reads_its_strides(name: str) -> None:
    architecture = find_architecture(name)
    assert architecture == find_architecture(f"classic:{name}")
    part = classic().build(architecture.genotype, CHANNELS, 32)
    assert part.reads == READS[name]
    maps = {s: torch.randn(1, c, *feature_size((65, 97), s)) for s, c in CHANNELS.items()}
    assert part.eval()(maps).shape[1:] == (part.channels, *feature_size((65, 97), part.stride))


def test_the_pyramid_at_full_width_has_the_parameters_of_the_published_one() -> None:
    """256 channels in the pyramid and 128 in the branches: laterals, seven 3x3 convolutions of
    branches (3, 2, 1 and 1), and a group norm behind each."""
    part = FeaturePyramid({s: c for s, c in CHANNELS.items() if s >= 4}, 128)
    laterals = sum((c + 1) * 256 for s, c in CHANNELS.items() if s >= 4)
    branches = 4 * (9 * 256 * 128 + 2 * 128) + 3 * (9 * 128 * 128 + 2 * 128)
    assert sum(p.numel() for p in part.parameters()) == laterals + branches


def test_the_gate_of_lraspp_reads_the_whole_map() -> None:
    part = classic().build((1,), CHANNELS, 8).eval()
    maps = {s: torch.randn(1, c, *feature_size((65, 97), s)) for s, c in CHANNELS.items()}
    before = part(maps)
    maps[32] = maps[32].clone()
    maps[32][..., 0, 0] += 100
    assert (part(maps)[0, :8, -1, -1] - before[0, :8, -1, -1]).abs().max() > 0
    assert torch.equal(part(maps)[:, 8:], before[:, 8:])
    assert isinstance(part.gate, nn.Conv2d)


def test_a_name_that_two_families_have_is_the_one_that_stands_alone() -> None:
    assert find_architecture("1x1").family == "classic"
