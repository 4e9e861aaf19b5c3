"""The module that is exported computes what the network does, at any size."""

from __future__ import annotations

from importlib import import_module
from itertools import product

import numpy as np
import pytest
import torch

from atrous.core.errors import AtrousError
from atrous.data.transform import Transform
from atrous.model.export.graph import Standalone, canvas_side, prepared, same_padding, trace
from atrous.model.export.interface import ExportInterface, id_type, noise
from atrous.networks.backbones import import_timm
from atrous.networks.network import pad_to_canvas
from tests.model.export.material import blueprint, logits, network

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize("size", [(1, 1), (2, 33), (17, 16), (70, 98)], ids=str)
def test_it_gives_the_logits_of_the_network(size: tuple[int, int]) -> None:
    original = network(blueprint("dpc-2:0.0.1.80", decoder=True))
    interface = ExportInterface(MEAN, STD)
    pixels = noise(2, size)
    found = Standalone(prepared(original), interface)(pixels)
    wanted = logits(original, interface.normalised(pixels))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5 * float(wanted.abs().max()))


def test_the_canvas_is_that_of_the_network() -> None:
    for side, stride in product(range(1, 70), (8, 16)):
        canvas = pad_to_canvas(torch.empty(1, 1, side, 1), stride)
        assert canvas_side(side, stride) == canvas.shape[2], (side, stride)


def test_pixels_are_normalised_exactly_as_a_model_does() -> None:
    pixels = noise(1, (5, 7))
    image = np.ascontiguousarray(pixels[0].permute(1, 2, 0).numpy())
    wanted = Transform(MEAN, STD)(image)
    assert torch.equal(ExportInterface(MEAN, STD).normalised(pixels)[0], wanted)


def test_whole_number_padding_is_that_of_timm() -> None:
    import_timm()
    padding = import_module("timm.layers.padding")
    for case in product(range(1, 40), (1, 2, 3, 5, 7), (1, 2, 4), (1, 2)):
        assert same_padding(*case) == padding.get_same_padding(*case), case


def test_timm_is_as_before_after_tracing() -> None:
    import_timm()
    padding = import_module("timm.layers.padding")
    before = padding.get_same_padding
    trace(prepared(network(blueprint())), ExportInterface(MEAN, STD))
    assert padding.get_same_padding is before


def test_ids_are_bytes_as_long_as_they_fit() -> None:
    assert id_type(256) == torch.uint8
    assert id_type(257) == torch.int64


def test_an_interface_describes_itself() -> None:
    assert "uint8 from 0 to 255; normalised inside" in ExportInterface(MEAN, STD).describe_input()
    outside = ExportInterface(MEAN, STD, "out", "ids")
    assert "(x / 255 - mean) / std" in outside.describe_input()
    assert outside.describe_output(19).startswith("ids [B, H, W], uint8")


def test_an_unknown_output_is_refused() -> None:
    with pytest.raises(AtrousError, match="--output: expected logits or probabilities or ids"):
        ExportInterface(MEAN, STD, "in", "masks")  # type: ignore[arg-type]
