"""Every operation of the space, exported and run at sizes that were not traced."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim

from atrous.model.export import onnx_file
from atrous.model.export.graph import keep_inputs
from atrous.model.export.interface import INPUT, TOLERANCE
from atrous.spaces.dpc.module import DensePredictionCell
from atrous.spaces.dpc.space import OPERATIONS, build

pytestmark = pytest.mark.slow
CHANNELS, FILTERS = 3, 4
SHAPES = ((1, CHANNELS, 5, 31), (3, CHANNELS, 46, 7))


class AllOperations(nn.Module):
    """A branch of each operation: [B, C, H, W] -> [B, 81 * filters, H, W]."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        cells = (build((0, k), {16: CHANNELS}, FILTERS) for k in range(len(OPERATIONS)))
        self.branches = nn.ModuleList(cast(DensePredictionCell, c).branches[0] for c in cells)
        for norm in (each for each in self.modules() if isinstance(each, nn.BatchNorm2d)):
            nn.init.constant_(norm.bias, 0.5)  # few outputs end at zero

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([branch(images) for branch in self.branches], dim=1)


@pytest.fixture(scope="module")
def every() -> AllOperations:
    operations = AllOperations().eval().requires_grad_(False)
    keep_inputs(operations)
    return operations


@pytest.fixture(scope="module")
def program(every: AllOperations) -> torch.export.ExportedProgram:
    shapes = {0: Dim("batch", min=1), 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    traced = torch.randn(2, CHANNELS, 9, 12)
    return torch.export.export(every, (traced,), dynamic_shapes={INPUT: shapes})


def images() -> list[Tensor]:
    torch.manual_seed(1)
    return [torch.randn(*shape) for shape in SHAPES]


def require_equal(every: AllOperations, given: Tensor, found: Tensor) -> None:
    """Each operation by itself: a wrong one is named, and none hides behind larger numbers."""
    assert len(OPERATIONS) == 81
    parts = found.chunk(81, dim=1)
    for operation, branch, part in zip(OPERATIONS, every.branches, parts, strict=True):
        wanted = branch(given)
        assert wanted.std() > 0, operation
        assert (part - wanted).abs().max() <= TOLERANCE * wanted.max(), operation


@pytest.mark.slow
def test_all_81_operations_run_in_onnxruntime_at_other_sizes(
    every: AllOperations, program: torch.export.ExportedProgram, tmp_path: Path
) -> None:
    path = tmp_path / "operations.onnx"
    onnx_file.write(program, path, {}, None)
    found = onnx_file.run(path, [given.numpy() for given in images()])
    for given, output in zip(images(), found, strict=True):
        require_equal(every, given, torch.from_numpy(output))


@pytest.mark.slow
def test_all_81_operations_run_as_exported_programs_at_other_sizes(
    every: AllOperations, program: torch.export.ExportedProgram
) -> None:
    run = program.module()
    for given in images():
        require_equal(every, given, run(given))
