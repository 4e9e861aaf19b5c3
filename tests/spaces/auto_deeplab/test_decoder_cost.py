"""The arithmetic of decoder and class scores against the modules."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from atrous.spaces.auto_deeplab.aspp import DenseDecoder
from atrous.spaces.auto_deeplab.cost import class_scores_cost, decoder_cost_of
from atrous.spaces.auto_deeplab.trellis import Path, trunk_channels, width_of
from atrous.tasks.segmentation.probabilities import class_scores
from tests.cases import each
from tests.parts import Alone

CANVAS = (65, 97)


def counted(module: nn.Module, *inputs: Any) -> tuple[int, int]:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*inputs)
    return sum(p.numel() for p in module.parameters()), counter.get_total_flops() // 2


@each("size", [CANVAS, (64, 70), (34, 66)])
@each("filters", [3, 8, 20])
@each("path", [(0, 1, 1), (1, 2, 3)])
def test_decoder_and_scores_cost_what_their_modules_do(
    path: Path, filters: int, size: tuple[int, int]
) -> None:
    fine = tuple((side - 1 + (1 - side) % 32) // 4 + 1 for side in size)
    low, width = trunk_channels(path, 5, filters)[4], width_of(filters)
    with torch.device("meta"):
        decoder, scores = (
            DenseDecoder({4: low}, Alone(nn.Identity(), width), filters),
            class_scores(width, 19),
        )
        found = counted(decoder, {4: torch.empty(1, low, *fine)}, torch.empty(1, width, 3, 4))
        told = decoder_cost_of(path, 5, filters, size)
        assert found == (told.parameters, told.multiply_adds)
        found = counted(scores, torch.empty(1, width, *fine))
        told = class_scores_cost(19, filters, size)
        assert found == (told.parameters, told.multiply_adds)
