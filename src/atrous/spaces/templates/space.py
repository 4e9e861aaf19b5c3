"""The space of decoders made of templates, over two fine maps (Nekrasov et al. 2020, WACV).

A template is two operations, and how their results are joined. A layer applies one of the templates
to two maps of the pool, in 1 to 4 rounds; what it gives joins the pool. The first three layers may
stride, which doubles channels, and join maps at the coarser of two; later ones at the finer. With
3 templates and 7 layers: (6 * 6 * 2)^3 * 2^3 * (2 * 3 * .. * 8)^2 * (3 * 4)^7 =
173,939,110,768,450,260,172,800 genotypes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from atrous.core.architecture import Genotype
from atrous.core.errors import AtrousError
from atrous.core.grammar import Independent
from atrous.core.records import parse
from atrous.spaces.space import Space
from atrous.spaces.templates.plan import (
    JOINS,
    OPERATIONS,
    STRIDED,
    STRIDES,
    Design,
    Template,
    TemplateLayer,
    decoder_cost,
    drawn,
    reads,
    reads_of,
    sketch,
)

if TYPE_CHECKING:
    from atrous.networks.pyramid import Part

NAME = "templates"
ROUNDS = 4
Key = tuple[int, int, int, int, int, int, int]
"""All numbers of a layer, by which layers are ordered: maps, template, rounds, stride."""
SIZES = (3, 7, 2)
"""Templates, layers, and how often separable convolutions are stacked, as published."""


def decisions(templates: int, layers: int) -> Iterator[tuple[str, int]]:
    """The names of all decisions with the numbers of their choices: templates first, then layers,
    of which only those that may stride decide on it."""
    for number in range(templates):
        yield from ((f"template {number} operation {side}", len(OPERATIONS)) for side in range(2))
        yield f"template {number} join", len(JOINS)
    for layer in range(layers):
        maps = len(STRIDES) + layer
        yield from ((f"layer {layer} input {side}", maps) for side in range(2))
        yield f"layer {layer} template", templates
        yield f"layer {layer} rounds", ROUNDS
        if layer < STRIDED:
            yield f"layer {layer} stride", 2


PUBLISHED = {
    "arch0": "[[[3,0,1],[4,1,1],[3,1,1]], [[0,1,0,0,1],[2,1,2,1,0],[3,1,1,1,0],[1,1,2,0,0],"
    "[3,0,2,0,0],[5,3,2,1,0],[0,5,0,1,0]]]",
    "arch1": "[[[1,1,0],[1,3,0],[3,4,0]], [[1,1,0,0,0],[0,1,1,1,1],[3,1,2,3,0],[3,0,2,2,0],"
    "[0,1,2,0,0],[2,1,1,3,0],[4,0,2,2,0]]]",
}
"""The published decoders, as their authors write them: templates, then layers."""


def templates(count: int = 3, layers: int = 7, repeats: int = 2) -> Space:
    """The space of decoders of so many templates and layers, whose separable convolutions are
    stacked `repeats` times, twice in the published ones."""
    sizes = (count, layers, repeats)
    names, counts = zip(*decisions(count, layers), strict=True)
    known = {name: read_genotype(text) for name, text in PUBLISHED.items()}
    return Space(
        name=NAME if sizes == SIZES else f"{NAME}-{count}x{layers}x{repeats}",
        title=f"decoders of {layers} layers made of {count} templates (Nekrasov et al. 2020)",
        rules=Independent(counts),
        canonical=lambda genotype: canonical(genotype, count),
        canonical_on=lambda genotype, strides: canonical_on(genotype, strides, count),
        build=lambda genotype, channels, filters: build(
            decode(genotype, count), channels, filters, repeats
        ),
        cost=lambda genotype, maps, filters: decoder_cost(
            decode(genotype, count), maps, filters, repeats
        ),
        decision=names.__getitem__,
        reads=reads,
        reads_of=lambda genotype, strides: reads_of(decode(genotype, count), strides),
        sketch=lambda genotype: sketch(decode(genotype, count)),
        shapes=lambda genotype: drawn(decode(genotype, count)),
        published=known if sizes[:2] == SIZES[:2] else {},
    )


def decode(genotype: Genotype, count: int = 3) -> Design:
    """The layers that a genotype spells, each with its template."""
    spelt = list(zip(*(genotype[k : 3 * count : 3] for k in range(3)), strict=True))
    rest, layers = list(genotype[3 * count :]), list[TemplateLayer]()
    while rest:
        strides = len(layers) < STRIDED
        one, other, template, rounds, *stride = rest[: 4 + strides]
        del rest[: 4 + strides]
        layers.append(TemplateLayer((one, other), spelt[template], rounds + 1, sum(stride) + 1))
    return tuple(layers)


def encode(design: Design, count: int = 3) -> Genotype:
    """The genotype of a design: templates in the order of their first use, those that no layer uses
    with choices of 0."""
    used = list(dict.fromkeys(layer.template for layer in design))
    spelt = [*used, *((0, 0, 0),) * (count - len(used))]
    genotype = [choice for template in spelt for choice in template]
    for number, layer in enumerate(design):
        genotype += [*layer.maps, used.index(layer.template), layer.rounds - 1]
        genotype += [layer.stride - 1] if number < STRIDED else []
    return tuple(genotype)


def read_genotype(text: str) -> Genotype:
    """The genotype in its authors' form, [templates, layers], of 3 templates and 7 layers.

    Raises `AtrousError` that says what was expected.
    """
    try:
        spelt, layers = parse(text)
        genotype = [choice for one, other, join in spelt for choice in (one, other, join)]
        for number, (one, other, template, rounds, stride) in enumerate(layers):
            genotype += [one, other, template, rounds]
            if number < STRIDED:
                genotype.append(stride)
            elif stride != 0:
                raise ValueError(f"layer {number} strides, where only the first {STRIDED} may")
        if not all(type(choice) is int for choice in genotype):
            raise ValueError("it has other parts than whole numbers")
        if (len(spelt), len(layers)) != SIZES[:2]:
            raise ValueError(f"it has {len(spelt)} templates and {len(layers)} layers")
    except (ValueError, TypeError) as error:
        raise AtrousError(
            f"Expected a decoder such as {PUBLISHED['arch0']}: three templates of two operations "
            f"and a join, then seven layers of two maps, template, rounds and stride. ({error})"
        ) from error
    return tuple(genotype)


def write_genotype(genotype: Genotype) -> str:
    """The genotype in its authors' form, [templates, layers]."""
    first, layers = genotype[:9], iter(genotype[9:])
    spelt = [list(first[k : k + 3]) for k in (0, 3, 6)]
    sizes = [4 + (number < STRIDED) for number in range(SIZES[1])]
    listed = [[next(layers) for _ in range(size)] for size in sizes]
    return json.dumps([spelt, [[*layer, 0][:5] for layer in listed]])


@lru_cache(maxsize=1 << 16)
def canonical(genotype: Genotype, count: int = 3) -> Genotype:
    """One genotype for those that differ in the order of things, or in what does not count.

    Joined are templates in any order, equal or unused ones; the two sides of a layer of one round;
    layers that may stride, and those that may not, each in any order that lets each read what it
    reads. Not joined: a layer of two rounds with two layers of one, a layer that may stride with
    one that may not, and decoders that coincide on small maps.
    """
    design = decode(genotype, count)
    forced = {layer.template for layer in design if layer.rounds > 1}
    least = min(_orders([_key(_turned(layer, forced)) for layer in design]))
    return encode(tuple(TemplateLayer(k[:2], k[2:5], k[5], k[6]) for k in least), count)


def canonical_on(genotype: Genotype, strides: Collection[int], count: int = 3) -> Genotype:
    """The canonical form where one of the strides may stand for both: their maps are one."""
    if len(reads(strides)) == len(STRIDES):
        return canonical(genotype, count)
    first, layers = len(STRIDES) - 1, decode(genotype, count)
    merged = (replace(layer, maps=_merged(layer.maps, first)) for layer in layers)
    return canonical(encode(tuple(merged), count), count)


def _merged(maps: tuple[int, int], last: int) -> tuple[int, int]:
    one, other = (0 if number <= last else number for number in maps)
    return one, other


def _turned(layer: TemplateLayer, forced: Collection[Template]) -> TemplateLayer:
    """The layer with its sides turned round, where they may be and it is better: the smaller
    operation is first, unless a layer whose sides may not be turned has the template otherwise."""
    one, other, join = layer.template
    if layer.rounds > 1 or one == other:
        return layer
    small = (min(one, other), max(one, other), join)
    large = (small[1], small[0], join)
    wanted = large if large in forced and small not in forced else small
    if wanted == layer.template:
        return layer
    return TemplateLayer((layer.maps[1], layer.maps[0]), wanted, layer.rounds, layer.stride)


def _orders(layers: Sequence[Key]) -> Iterator[tuple[Key, ...]]:
    """The layers in the orders whose beginnings are least, renamed to read what they read."""
    first = len(STRIDES)

    def extended(done: tuple[Key, ...], names: dict[int, int]) -> Iterator[tuple[Key, ...]]:
        if len(done) == len(layers):
            yield done
            return
        strided = len(done) < STRIDED
        found = {
            number: _renamed(layer, names)
            for number, layer in enumerate(layers)
            if (number < STRIDED) is strided
            and first + number not in names
            and layer[0] in names
            and layer[1] in names
        }
        least = min(found.values())
        for number, layer in found.items():
            # Of orders that begin alike, the least goes on with the least layer: only layers that
            # are equal as far as they go need both be tried.
            if layer == least:
                yield from extended((*done, layer), {**names, first + number: first + len(done)})

    return extended((), {number: number for number in range(first)})


def _renamed(key: Key, names: Mapping[int, int]) -> Key:
    one, other, first, second, join, rounds, stride = key
    one, other = names[one], names[other]
    if rounds == 1 and first == second and other < one:
        one, other = other, one
    return one, other, first, second, join, rounds, stride


def _key(layer: TemplateLayer) -> Key:
    return (*layer.maps, *layer.template, layer.rounds, layer.stride)


def build(design: Design, channels: Mapping[int, int], filters: int, repeats: int) -> Part:
    """The decoder as a part that reads maps of `channels` by stride."""
    from atrous.spaces.templates.module import TemplateDecoder

    return TemplateDecoder(design, channels, filters, repeats)
