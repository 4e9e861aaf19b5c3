"""The relaxed network written plainly, as a double: loops over arrows, blocks, states and
operations, with a module for each. It takes the same mixtures, and its weights can be those of a
`Supernet`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.spaces.auto_deeplab.cell import OPERATIONS, Operation, edges
from atrous.spaces.auto_deeplab.relaxation.mixture import Mixture
from atrous.spaces.auto_deeplab.relaxation.supernet import Supernet, SupernetSize
from atrous.spaces.auto_deeplab.trellis import arrows, levels_at, stem_widths
from atrous.spaces.auto_deeplab.trunk import EPSILON, Projection, make_operation

STRIDED = (0, 1)
"""The states that are read at stride 2 after a down step."""


class Nested(nn.Module):
    """As `Supernet`: images [B, 3, H, W] of k * 32 + 1 pixels -> logits [B, K, H, W]."""

    def __init__(self, size: SupernetSize) -> None:
        super().__init__()
        self.size = size
        self.first, self.second, self.third = _stem(size.filters)
        self.nodes = nn.ModuleDict(
            {
                f"{layer}_{level}": NestedNode(size, layer, level)
                for layer in range(size.layers)
                for level in levels_at(layer)
            }
        )
        self.heads = nn.ModuleList(
            NestedHead(size.width(level), 24 >> level, size.classes)
            for level in levels_at(size.layers - 1)
        )

    def forward(self, images: Tensor, mixture: Mixture) -> Tensor:
        finer = self.second(self.first(images).relu())
        before, previous = {0: finer}, {0: self.third(finer.relu())}
        for layer in range(self.size.layers):
            made: dict[int, Tensor] = {}
            for number, arrow in enumerate(arrows(self.size.layers)):
                if arrow.layer != layer or arrow.source not in previous:
                    continue
                if not mixture.arrows_on[number]:
                    continue
                y_level = sorted(before, key=lambda u: (abs(u - arrow.target), u))[0]
                node = cast(NestedNode, self.nodes[f"{layer}_{arrow.target}"])
                cell = node(arrow.source, previous[arrow.source], y_level, before[y_level], mixture)
                weighted = mixture.arrows[number] * cell
                made[arrow.target] = made.get(arrow.target, 0) + weighted
            before, previous = previous, made
        return sum(
            (interpolated(self.heads[level](maps), images) for level, maps in previous.items()),
            start=torch.zeros((), dtype=images.dtype),
        )


class NestedNode(nn.Module):
    """The operations of a layer at a level, one module for every edge, operation and stride."""

    def __init__(self, size: SupernetSize, layer: int, level: int) -> None:
        super().__init__()
        self.level, self.blocks, channels = level, size.blocks, size.channels(level)
        _, second, third = stem_widths(size.filters)
        previous = {u: size.width(u) for u in levels_at(layer - 1)} if layer else {0: third}
        before = {u: size.width(u) for u in levels_at(layer - 2)} if layer > 1 else {}
        before = before or {0: third if layer else second}
        self.previous = nn.ModuleDict(
            {str(u): _projection(previous[u], channels) for u in previous}
        )
        self.before = nn.ModuleDict(
            {
                str(u): nn.Identity() if before[u] == channels else _projection(before[u], channels)
                for u in before
            }
        )
        self.operations = nn.ModuleDict()
        self.strided = nn.ModuleDict()
        for (block, state), operation in product(edges(size.blocks), OPERATIONS):
            name = name_of(block, state, operation)
            self.operations[name] = bare(make_operation(operation, channels, 1))
            if level and state in STRIDED:
                self.strided[name] = bare(make_operation(operation, channels, 2))
                _share(self.operations[name], self.strided[name])

    def forward(self, source: int, x: Tensor, y_level: int, y: Tensor, mixture: Mixture) -> Tensor:
        """One arrow's cell."""
        if source > self.level:
            size = (2 * x.shape[2] - 1, 2 * x.shape[3] - 1)
            x = functional.interpolate(x, size, mode="bilinear", align_corners=True)
        y = interpolated(y, x)
        states = [self.previous[str(source)](x), self.before[str(y_level)](y)]
        for block in range(self.blocks):
            total: Any = 0
            for state in range(block + 2):
                edge = edges(self.blocks).index((block, state))
                halves = source < self.level and state in STRIDED
                operations = self.strided if halves else self.operations
                for choice, operation in enumerate(OPERATIONS):
                    if not mixture.operations_on[edge][choice]:
                        continue
                    result = operations[name_of(block, state, operation)](states[state])
                    total = total + mixture.operations[edge, choice] * result
            states.append(total)
        return torch.cat(states[2:], dim=1)


class NestedHead(nn.Module):
    """Three branches with a ReLU each, and scores."""

    def __init__(self, channels: int, rate: int, classes: int) -> None:
        super().__init__()
        self.point = nn.Conv2d(channels, channels, 1, bias=False)
        self.atrous = nn.Conv2d(channels, channels, 3, 1, rate, rate, bias=False)
        self.pooling = nn.Conv2d(channels, channels, 1, bias=False)
        self.scores = nn.Conv2d(3 * channels, classes, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, K, H, W]."""
        mean = functional.adaptive_avg_pool2d(maps, 1)
        branches = [self.point(maps), self.atrous(maps), self.pooling(mean)]
        spread = [branch.relu().expand(-1, -1, *maps.shape[2:]) for branch in branches]
        scores: Tensor = self.scores(torch.cat(spread, dim=1))
        return scores


def interpolated(maps: Tensor, like: Tensor) -> Tensor:
    """Bilinearly to the height and width of `like`."""
    size = like.shape[2:]
    return functional.interpolate(maps, size, mode="bilinear", align_corners=True)


def name_of(block: int, state: int, operation: Operation) -> str:
    """The key of an operation on an edge."""
    return f"{block}_{state}_{operation.name}"


def twins(nested: Nested, supernet: Supernet) -> Iterator[tuple[Any, Any, Any]]:
    """Each weight of the double, with the parameter of the supernet that it is a part of, and
    where."""
    everything = slice(None)
    for name in ("first", "second", "third"):
        convolution = cast(nn.Sequential, getattr(nested, name))[0]
        yield convolution.weight, getattr(supernet.stem, name).weight, everything
    for name, nested_node in nested.nodes.items():
        yield from _node_twins(nested_node, supernet.nodes[name])
    for level, head in enumerate(nested.heads):
        for name, parameter in supernet.head.levels[str(level)].named_parameters():
            yield head.get_parameter(name), parameter, everything


def _node_twins(nested: Any, node: Any) -> Iterator[tuple[Any, Any, Any]]:
    for kind in ("previous", "before"):
        for source, projection in getattr(node, kind).items():
            twin = getattr(nested, kind)[source]
            yield twin[1].weight, projection.weight, slice(None)
    for (block, state), operation in product(edges(nested.blocks), OPERATIONS):
        name = name_of(block, state, operation)
        strided = operation is Operation.SKIP and name in nested.strided
        module = (nested.strided if strided else nested.operations)[name]
        merged = merged_weights(node, state, operation)
        first = (block - max(state - 1, 0)) * node.cell.channels
        rows = slice(first, first + node.cell.channels)
        for convolution, parameter in zip(convolutions(module), merged, strict=True):
            yield convolution.weight, parameter, rows


def merged_weights(node: Any, state: int, operation: Operation) -> list[nn.Parameter]:
    """The parameters of an operation on a state, for all who read it, in their order."""
    operations = node.cell.states[state]
    match operation:
        case Operation.SEPARABLE_3 | Operation.SEPARABLE_5:
            part = operations.separable_3 if "3" in operation else operations.separable_5
            return [w for half in zip(part.depthwise, part.pointwise, strict=True) for w in half]
        case Operation.ATROUS_3 | Operation.ATROUS_5:
            return [(operations.atrous_3 if "3" in operation else operations.atrous_5).weight]
        case Operation.SKIP if operations.strided_skip is not None:
            return [operations.strided_skip.weight]
        case _:
            return []


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    """The convolutions of an operation, in order."""
    return [part for part in module.modules() if isinstance(part, nn.Conv2d)]


def with_weights_of(supernet: Supernet) -> Nested:
    """The double of a supernet, in its number type."""
    nested = Nested(supernet.size).to(supernet.alpha.dtype)
    for own, merged, place in twins(nested, supernet):
        own.data.copy_(merged.data[place].view_as(own))
    return nested


def _share(plain: nn.Module, strided: nn.Module) -> None:
    for one, other in zip(convolutions(plain), convolutions(strided), strict=False):
        other.weight = one.weight


def _stem(filters: int) -> Iterator[nn.Sequential]:
    channels = 3
    for width, stride in zip(stem_widths(filters), (2, 1, 2), strict=True):
        yield nn.Sequential(nn.Conv2d(channels, width, 3, stride, 1, bias=False), _norm(width))
        channels = width


def _projection(channels: int, filters: int) -> nn.Module:
    return bare(Projection(channels, filters))


def bare(module: nn.Module) -> nn.Module:
    """The module with batch norms without scales and shifts, as relaxed networks have them."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.affine = False
            norm.register_parameter("weight", None)
            norm.register_parameter("bias", None)
    return module


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPSILON, affine=False)
