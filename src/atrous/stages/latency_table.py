"""How long the parts of a relaxed network take on a machine, by measuring."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from atrous.core.errors import AtrousError
from atrous.model.latency.conditions import runtime_version
from atrous.model.latency.measure import in_turns, torch_threads
from atrous.networks.compute import LatencyConditions
from atrous.relax.latency_table import MOVES, PLACES, LatencyTable
from atrous.spaces.auto_deeplab.cell import GIVEN, OPERATIONS, Operation
from atrous.spaces.auto_deeplab.operations import Projection, doubled, make_operation

WARM_UP = 5
"""Passes of each part before any is timed."""

Pass = Callable[[], Any]
"""Computes once, and returns when the result is there."""


def measure(
    filters: int, blocks: int, setting: LatencyConditions, repeats: int = 30
) -> LatencyTable:
    """The table for cells of `blocks` blocks in networks of F `filters`.

    Each part in evaluation mode, on its own, on random maps as large as images of `setting.size`
    have there: after a warm-up, the median of `repeats` passes, all parts in turns. Raises
    `AtrousError` for a size that is not k * 32 + 1, or when memory runs out.
    """
    if any(side % 32 != 1 or side < 33 for side in setting.size):
        raise AtrousError(
            f"Expected sides of k * 32 + 1 pixels, such as 321, got {setting.size[0]}x"
            f"{setting.size[1]}. Choose the nearest such size."
        )
    try:
        with torch_threads(setting.threads):
            passes = _passes(filters, blocks, setting)
            in_turns(passes, WARM_UP)
            found = [median(times) for times in in_turns(passes, repeats)]
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise AtrousError(
            f"Maps of {setting.batch} images of {setting.size[0]}x{setting.size[1]} at F = "
            f"{filters} do not fit into the memory of {setting.device_name}. Take fewer or smaller."
        ) from error
    kinds = len(OPERATIONS)
    return LatencyTable(
        filters=filters,
        blocks=blocks,
        setting=setting,
        version=runtime_version("pytorch"),
        repeats=repeats,
        operations=tuple(tuple(found[kinds * p : kinds * (p + 1)]) for p in range(len(PLACES))),
        inputs=tuple(found[kinds * len(PLACES) :]),
    )


def _passes(filters: int, blocks: int, setting: LatencyConditions) -> list[Pass]:
    """What is timed: every operation at every place, then the inputs of every move."""
    parts = [operation_pass(o, *place, filters, setting) for place in PLACES for o in OPERATIONS]
    return parts + [inputs_pass(*move, filters, blocks, setting) for move in MOVES]


def operation_pass(
    operation: Operation, level: int, stride: int, filters: int, setting: LatencyConditions
) -> Pass:
    """A pass of an operation that ends at `level`, from maps twice as large where it strides."""
    width, source = filters << level, level - (stride == 2)
    return _pass(make_operation(operation, width, stride), width, source, setting)


def inputs_pass(
    source: int, target: int, filters: int, blocks: int, setting: LatencyConditions
) -> Pass:
    """A pass of what makes a cell's two given states for a move between two levels.

    Both layers before are taken to have been at `source`: a second one at another level would be
    resized as well, and cost more or less by its channels.
    """
    channels = blocks * (filters << source)
    states = [Projection(channels, filters << target) for _ in range(GIVEN)]
    module = _Inputs(states, target < source)
    return _pass(module, channels, source, setting)


class _Inputs(nn.Module):
    """The two projections, of a map that is doubled first in an up step."""

    def __init__(self, states: list[Projection], up: bool) -> None:
        super().__init__()
        self.states, self.up = nn.ModuleList(states), up

    def forward(self, maps: Tensor) -> list[Tensor]:
        """[B, channels, H, W] -> for each state [B, filters, h, w]."""
        maps = doubled(maps) if self.up else maps
        return [state(maps) for state in self.states]


def _pass(module: nn.Module, channels: int, level: int, setting: LatencyConditions) -> Pass:
    module = module.eval().to(setting.device)
    height, width = ((side - 1) // (4 << level) + 1 for side in setting.size)
    maps = torch.randn(setting.batch, channels, height, width, device=setting.device)
    kind = setting.device.partition(":")[0]

    @torch.inference_mode()
    def once() -> Any:
        with torch.autocast(kind, torch.bfloat16, enabled=setting.precision == "bfloat16"):
            result = module(maps)
        if kind == "cuda":
            torch.cuda.synchronize(setting.device)
        return result

    return once
