"""All that a decoder made of templates computes: its maps, the rounds of its layers, its cost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from atrous.core.architecture import Cost
from atrous.core.drawing import Shapes
from atrous.core.words import TIMES
from atrous.spaces.space import Shape, stand_in, unit_cost
from atrous.spaces.wiring import BOTH, NOTHING, PLAIN, POOLED, WIDE, Box, Colours, Diagram, Joint

STRIDES = (4, 8)
"""The strides of the maps that the pool begins with."""
STRIDED = 3
"""So many layers, the first, may stride and join maps at the coarser of two."""


@dataclass(frozen=True)
class SideOperation:
    """A separable convolution of `kernel` x `kernel` at an atrous `rate`; a 1x1 convolution of the
    mean over the whole map (`pooled`), or of the map, whose maximum over 3 x 3 positions is taken
    (`peak`); else the map itself. The latter two have no use for a stride."""

    name: str
    kernel: int = 0
    rate: int = 1
    pooled: bool = False
    peak: bool = False

    @property
    def lines(self) -> tuple[str, ...]:
        """The operation in two short lines at most."""
        if self.kernel:
            rate = (f"rate {self.rate}",) if self.rate > 1 else ()
            return (f"sep {self.kernel}{TIMES}{self.kernel}", *rate)
        return ("max", f"3{TIMES}3") if self.peak else tuple(self.name.split())

    @property
    def colours(self) -> Colours:
        """The tint and the colour of its kind."""
        if self.pooled or self.peak:
            return POOLED
        return NOTHING if not self.kernel else WIDE if self.rate > 1 else PLAIN


OPERATIONS = (
    SideOperation("separable 3x3", 3),
    SideOperation("separable 5x5", 5),
    SideOperation("global pooling", pooled=True),
    SideOperation("max pooling 3x3", peak=True),
    SideOperation("separable 5x5 rate 6", 5, 6),
    SideOperation("skip"),
)
JOINS = ("summed", "concatenated")
"""A sum has a weight for each channel of either map."""

Template = tuple[int, int, int]
"""The operation on the first map, that on the second, and how they are joined."""


@dataclass(frozen=True)
class TemplateLayer:
    """The two maps of the pool that it reads, its template, rounds and stride."""

    maps: tuple[int, int]
    template: Template
    rounds: int
    stride: int


Design = tuple[TemplateLayer, ...]


@dataclass(frozen=True)
class Map:
    """A map of so many channels at a stride."""

    channels: int
    stride: int


@dataclass(frozen=True)
class Side:
    """An operation from one map to another, and the stride of each of its steps."""

    operation: SideOperation
    source: Map
    result: Map
    stride: int


@dataclass(frozen=True)
class Round:
    """Two operations and the map that joins them: as wide as the wider, which the narrower becomes
    by a 1x1 convolution; then both at one stride."""

    sides: tuple[Side, Side]
    result: Map
    concatenated: bool


@dataclass(frozen=True)
class Plan:
    """All maps of the pool, and the rounds of every layer; `loose` are the maps that no layer
    reads, which the decoder joins at the finest of them."""

    maps: tuple[Map, ...]
    layers: tuple[tuple[Round, ...], ...]
    loose: tuple[int, ...]

    @property
    def stride(self) -> int:
        """The stride of what the decoder gives."""
        return min(self.maps[number].stride for number in self.loose)

    @property
    def width(self) -> int:
        """The channels of all loose maps together."""
        return sum(self.maps[number].channels for number in self.loose)


def reads(strides: Collection[int]) -> tuple[int, ...]:
    """Of the strides that there are those that stand for `STRIDES`."""
    return tuple(sorted({stand_in(stride, strides) for stride in STRIDES}))


def reads_of(design: Design, strides: Collection[int]) -> tuple[int, ...]:
    """The strides of the backbone's maps that some layer reads."""
    read = {number for layer in design for number in layer.maps}
    return tuple(
        sorted({stand_in(stride, strides) for k, stride in enumerate(STRIDES) if k in read})
    )


def plan_of(design: Design, channels: Mapping[int, int], repeats: int) -> Plan:
    """All that a decoder computes, on maps of `channels` by stride."""
    begin = (stand_in(stride, channels) for stride in STRIDES)
    pool, layers = [Map(channels[stride], stride) for stride in begin], []
    for number, layer in enumerate(design):
        rounds: list[Round] = []
        sources = (pool[layer.maps[0]], pool[layer.maps[1]])
        for k in range(layer.rounds):
            growth = layer.stride if k == 0 else 1
            rounds.append(_round(layer, sources, growth, repeats, number < STRIDED))
            sources = (sources[1], rounds[-1].result)
        pool.append(rounds[-1].result)
        layers.append(tuple(rounds))
    return Plan(tuple(pool), tuple(layers), loose_of(design))


def _round(
    layer: TemplateLayer, sources: tuple[Map, Map], growth: int, repeats: int, coarser: bool
) -> Round:
    one, other = (
        _side(OPERATIONS[number], source, layer.stride, growth, repeats)
        for number, source in zip(layer.template[:2], sources, strict=True)
    )
    strides = (one.result.stride, other.result.stride)
    width = max(one.result.channels, other.result.channels)
    result = Map(width, max(strides) if coarser else min(strides))
    return Round((one, other), result, JOINS[layer.template[2]] == "concatenated")


def _side(operation: SideOperation, source: Map, stride: int, growth: int, repeats: int) -> Side:
    """An operation with its result: every separable convolution of a stack strides, as published;
    global pooling and skip do not."""
    times = repeats if operation.kernel else int(operation.peak)
    result = Map(source.channels * growth, source.stride * stride**times)
    return Side(operation, source, result, stride)


def decoder_cost(design: Design, maps: Mapping[int, Shape], filters: int, repeats: int = 2) -> Cost:
    """The cost of a decoder on maps (channels, height, width) by stride, without class scores."""
    plan = plan_of(design, {stride: shape[0] for stride, shape in maps.items()}, repeats)
    finest = plan.maps[0].stride
    height, width = ((side - 1) * finest for side in maps[finest][1:])

    def positions(found: Map) -> int:
        return (height // found.stride + 1) * (width // found.stride + 1)

    cost = Cost(0, 0)
    for one in (one for rounds in plan.layers for one in rounds):
        for side in one.sides:
            cost += _side_cost(side, repeats, positions)
            if side.result.channels < one.result.channels:
                weights = side.result.channels * one.result.channels
                cost += unit_cost(weights, one.result.channels, positions(side.result))
        weights = 2 * one.result.channels**2 if one.concatenated else 0
        cost += Cost(weights + (4 if weights else 2) * one.result.channels, 0)
        cost += Cost(0, weights * positions(one.result))
    end = Map(plan.width, plan.stride)
    return cost + unit_cost(plan.width * filters, filters, positions(end))


def _side_cost(side: Side, repeats: int, positions: Callable[[Map], int]) -> Cost:
    channels, filters = side.source.channels, side.result.channels
    if side.operation.pooled:
        return unit_cost(channels * filters, filters, 1)
    if side.operation.peak:
        return unit_cost(channels * filters, filters, positions(side.source))
    cost, area = Cost(0, 0), side.operation.kernel**2
    for step in range(repeats if area else 0):
        given = Map(filters, side.source.stride * side.stride ** (step + 1))
        cost += unit_cost(
            (area + filters) * (filters if step else channels), filters, positions(given)
        )
    return cost


def sketch(design: Design) -> str:
    """The decoder in plain text."""
    used = list(dict.fromkeys(layer.template for layer in design))
    names = [
        *(f"stride {stride}" for stride in STRIDES),
        *(f"layer {k}" for k in range(len(design))),
    ]
    lines = []
    for number, (one, other, join) in enumerate(used):
        words = f"{OPERATIONS[one].name} and {OPERATIONS[other].name}, {JOINS[join]}"
        lines.append(f"template {number}: {words}")
    for number, layer in enumerate(design):
        words = " and ".join(names[k] for k in layer.maps)
        more = f", {layer.rounds} rounds" if layer.rounds > 1 else ""
        more += ", stride 2" if layer.stride > 1 else ""
        lines.append(f"layer {number}: template {used.index(layer.template)} of {words}{more}")
    loose = (names[number] for number in loose_of(design))
    return "\n".join((*lines, f"joined: {', '.join(loose)}"))


def drawn(design: Design) -> Shapes:
    """The layers on the maps of the backbone, and those that no layer reads joined."""

    def box(source: int, number: int) -> Box:
        operation = OPERATIONS[number]
        return Box((source, BOTH), operation.lines, operation.colours)

    def note(layer: TemplateLayer) -> str:
        rounds = [f"{layer.rounds} rounds"] if layer.rounds > 1 else []
        return ", ".join([*rounds, *(["stride 2"] if layer.stride > 1 else [])])

    joints = tuple(
        Joint(
            tuple(map(box, layer.maps, layer.template[:2])),
            note(layer),
            JOINS[layer.template[2]] == "concatenated",
        )
        for layer in design
    )
    ends = tuple((number, BOTH) for number in loose_of(design))
    given = tuple(f"stride {stride}" for stride in STRIDES)
    return Diagram(given, joints, ends).shapes()


def loose_of(design: Design) -> tuple[int, ...]:
    """The maps of the pool that no layer reads, of those that layers make."""
    read = {number for layer in design for number in layer.maps}
    first = len(STRIDES)
    return tuple(k for k in range(first, first + len(design)) if k not in read)
