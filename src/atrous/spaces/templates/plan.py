"""All that a decoder made of templates computes: its maps, the rounds of its layers, its cost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from atrous.core.architecture import Cost
from atrous.core.drawing import Shapes
from atrous.core.words import TIMES
from atrous.spaces.space import Shape, Unit, stand_in, units_cost
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


class Map(NamedTuple):
    """A map of so many channels at a stride."""

    channels: int
    stride: int


class Side(NamedTuple):
    """An operation from one map to another, and the stride of each of its steps."""

    operation: SideOperation
    source: Map
    result: Map
    stride: int


class Round(NamedTuple):
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

    def positions(stride: int) -> int:
        return (height // stride + 1) * (width // stride + 1)

    units = [
        unit for rounds in plan.layers for one in rounds for unit in _units(one, repeats, positions)
    ]
    return units_cost([*units, (plan.width * filters, filters, positions(plan.stride))])


def _units(one: Round, repeats: int, positions: Callable[[int], int]) -> Iterator[Unit]:
    """The convolutions of a round: of its sides, those that make the narrower as wide as the wider,
    and what joins them."""
    width, area = one.result.channels, positions(one.result.stride)
    for side in one.sides:
        yield from _units_of_side(side, repeats, positions)
        if side.result.channels < width:
            yield side.result.channels * width, width, positions(side.result.stride)
    # What is concatenated is normalised, and made as narrow again; a sum has weights alone.
    yield (2 * width**2, 2 * width, area) if one.concatenated else (0, width, area)


def _units_of_side(side: Side, repeats: int, positions: Callable[[int], int]) -> Iterator[Unit]:
    channels, filters, stride = side.source.channels, side.result.channels, side.source.stride
    if side.operation.pooled:
        yield channels * filters, filters, 1
    elif side.operation.peak:
        yield channels * filters, filters, positions(stride)
    area = side.operation.kernel**2
    for _ in range(repeats if area else 0):
        stride *= side.stride
        yield (area + filters) * channels, filters, positions(stride)
        channels = filters


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
