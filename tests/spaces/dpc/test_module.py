"""The cell against a plain reference of its own: `torch.nn.functional` alone, written from the
description of the published implementation; and what happens when a cell is exported."""

from __future__ import annotations

from functools import partial
from itertools import product
from random import Random
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.core.errors import AtrousError
from atrous.spaces.dpc.cell import (
    FEATURES,
    Branch,
    Cell,
    Convolution1x1,
    GridPooling,
    Operation,
    SeparableConvolution,
)
from atrous.spaces.dpc.module import DensePredictionCell
from atrous.spaces.dpc.space import ASPP, TOP1, decode, dpc
from tests.cases import each

CHANNELS, FILTERS = 6, 4
MIXED: Cell = (
    Branch(GridPooling((2, 4)), FEATURES),
    Branch(SeparableConvolution((3, 12)), 0),
    Branch(Convolution1x1(), 1),
    Branch(GridPooling((8, 8)), 1),
    Branch(SeparableConvolution((1, 1)), FEATURES),
)
CELLS = {
    "top1": TOP1,
    "aspp": ASPP,
    "mixed": MIXED,
    "random": decode(dpc().sample(Random(11))),
    "two": MIXED[:2],
}
cells = each("cell", CELLS.values())
State = dict[str, Tensor]
# Interpolation weights are of single precision.
assert_close = partial(torch.testing.assert_close, rtol=1e-5, atol=1e-5)


class Reference:
    """A cell from the weights of ours, each layer written out."""

    def __init__(self, cell: Cell, state: State, training: bool, multiplier: int) -> None:
        self.cell, self.state = cell, state
        self.training, self.multiplier = training, multiplier

    def __call__(self, features: Tensor) -> Tensor:
        outputs: list[Tensor] = []
        for number, branch in enumerate(self.cell):
            source = features if branch.input < 0 else outputs[branch.input]
            outputs.append(self.branch(source, branch, f"branches.{number}"))
        return self.unit(torch.cat(outputs, 1), "projection", 0)

    def branch(self, source: Tensor, branch: Branch, name: str) -> Tensor:
        match branch.operation:
            case Convolution1x1():
                return self.unit(source, name, 0)
            case SeparableConvolution(rate=rate):
                weight = self.state[f"{name}.0.weight"]
                dilation = [r * self.multiplier for r in rate]
                spread = functional.conv2d(
                    source, weight, None, 1, dilation, dilation, groups=source.shape[1]
                )
                return self.unit(functional.relu(self.norm(spread, f"{name}.1")), name, 3)
            case GridPooling(grid=grid):
                pooled = functional.adaptive_avg_pool2d(source, grid)
                narrow = self.unit(pooled, f"{name}.convolution", 0)
                return functional.interpolate(narrow, source.shape[-2:], mode="bilinear")

    def unit(self, source: Tensor, name: str, position: int) -> Tensor:
        """1x1 convolution, batch norm, ReLU."""
        narrow = functional.conv2d(source, self.state[f"{name}.{position}.weight"])
        return functional.relu(self.norm(narrow, f"{name}.{position + 1}"))

    def norm(self, source: Tensor, name: str) -> Tensor:
        mean, variance = self.state[f"{name}.running_mean"], self.state[f"{name}.running_var"]
        if self.training:
            mean, variance = source.mean((0, 2, 3)), source.var((0, 2, 3), correction=0)
        scale = self.state[f"{name}.weight"] / (variance + 1e-5).sqrt()
        shift = self.state[f"{name}.bias"] - mean * scale
        return source * scale[:, None, None] + shift[:, None, None]


def drawn(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def network(cell: Cell, output_stride: int = 16) -> DensePredictionCell:
    """A cell whose batch norms are as after training: no two channels alike."""
    torch.manual_seed(1)
    found = DensePredictionCell(cell, {output_stride: CHANNELS}, FILTERS).double()
    for module in found.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                cast(Tensor, tensor).data.uniform_(0.5, 1.5)
    return found


@cells
@each("output_stride", [16, 8])
@each("size", [(23, 31), (5, 7)])
def test_a_trained_cell_computes_what_the_reference_does(
    cell: Cell, output_stride: int, size: tuple[int, int]
) -> None:
    ours = network(cell, output_stride).eval()
    reference = Reference(cell, ours.state_dict(), False, 16 // output_stride)
    features = drawn(2, CHANNELS, *size)
    with torch.no_grad():
        output = ours({ours.stride: features})
        assert_close(output, reference(features))
    assert output.shape == (2, FILTERS, *size)


@cells
@each("output_stride", [16, 8])
def test_in_training_outputs_and_gradients_are_the_references(
    cell: Cell, output_stride: int
) -> None:
    ours = network(cell, output_stride).train()
    ours.dropout.p = 0
    parameters = dict(ours.named_parameters())
    state = {n: p.detach().clone().requires_grad_() for n, p in parameters.items()}
    reference = Reference(cell, state | dict(ours.named_buffers()), True, 16 // output_stride)
    features, weighting = drawn(3, CHANNELS, 13, 9), drawn(3, FILTERS, 13, 9)
    results = []
    for model, weights in ((ours, parameters), (reference, state)):
        given = features.clone().requires_grad_()
        output = reference(given) if model is reference else ours({output_stride: given})
        gradients = torch.autograd.grad((output * weighting).sum(), [given, *weights.values()])
        results.append((output.detach(), *gradients))
    for mine, theirs in zip(*results, strict=True):
        assert_close(mine, theirs)


@cells
def test_either_memory_layout_gives_the_same(cell: Cell) -> None:
    ours = network(cell).eval()
    features = drawn(2, CHANNELS, 9, 11)
    turned = features.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        assert_close(ours({ours.stride: turned}), ours({ours.stride: features}))


def test_the_features_are_left_as_they_were() -> None:
    features = drawn(2, CHANNELS, 9, 11)
    before = features.clone()
    network(MIXED).train()({16: features})
    assert torch.equal(features, before)


@pytest.mark.parametrize("output_stride", [17, 32])
def test_output_strides_above_16_are_refused(output_stride: int) -> None:
    with pytest.raises(AtrousError, match=f"at most 16, got {output_stride}"):
        DensePredictionCell(TOP1, {output_stride: CHANNELS}, FILTERS)


def test_dropout_stands_between_concatenation_and_projection() -> None:
    cell = network(MIXED).train()
    seen: list[Tensor] = []
    cell.projection.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    torch.manual_seed(0)
    for _ in range(2):
        cell({16: drawn(4, CHANNELS, 31, 33)})
    first, second = seen
    assert first.shape[1] == 5 * FILTERS
    positive = (first > 0) | (second > 0)  # where the ReLU before left something to drop
    dropped = (first == 0)[positive].double().mean().item()
    # Of a value dropped with probability p in each of two draws, seen unless dropped in both.
    p = 26 / 256
    assert dropped == pytest.approx(p * (1 - p) / (1 - p * p), abs=0.01)


def test_without_dropout_training_is_deterministic_and_with_it_follows_the_seed() -> None:
    features = drawn(4, CHANNELS, 9, 9)

    def output(seed: int) -> Tensor:
        cell = network(TOP1).train()
        torch.manual_seed(seed)
        found: Tensor = cell({16: features}).detach()
        return found

    assert torch.equal(output(1), output(1))
    assert not torch.equal(output(1), output(2))


def test_branch_norms_are_mean_absolute_projection_weights() -> None:
    cell = network(MIXED)
    weight = cast(nn.Conv2d, cast(nn.Sequential, cell.projection)[0]).weight
    with torch.no_grad():
        for branch in range(5):
            weight[:, branch * FILTERS : (branch + 1) * FILTERS] = (-1) ** branch * (branch + 0.5)
    assert cell.branch_norms() == (0.5, 1.5, 2.5, 3.5, 4.5)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("cell", [MIXED, TOP1], ids=["mixed", "top1"])
def test_an_exported_cell_serves_other_sizes(cell: Cell, strict: bool) -> None:
    """The second branch of `mixed` reads a grid that is finer than the smallest map."""
    ours = network(cell).eval()
    free = {0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    program = torch.export.export(
        ours,
        ({16: drawn(2, CHANNELS, 13, 17)},),
        dynamic_shapes={"maps": {16: free}},
        strict=strict,
    )
    exported = program.module()
    with torch.no_grad():
        for shape in ((2, CHANNELS, 13, 17), (1, CHANNELS, 23, 31), (3, CHANNELS, 5, 3)):
            assert_close(exported({16: drawn(*shape)}), ours({16: drawn(*shape)}))


def test_the_exported_graph_has_plain_convolutions() -> None:
    program = torch.export.export(network(TOP1).eval(), ({16: drawn(1, CHANNELS, 9, 9)},))
    called = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert called.count("aten.conv2d.default") == 5 * 2 + 1
    assert not [name for name in called if "linear" in name or "permute" in name]


def test_every_pair_of_operations_can_follow_each_other() -> None:
    kinds: list[Operation] = [
        Convolution1x1(),
        SeparableConvolution((6, 3)),
        GridPooling((4, 4)),
    ]
    for first, second in product(kinds, kinds):
        cell = (Branch(first, FEATURES), Branch(second, 0))
        output = network(cell).train()({16: drawn(2, CHANNELS, 3, 2)})
        assert output.shape == (2, FILTERS, 3, 2)
        assert output.isfinite().all()
