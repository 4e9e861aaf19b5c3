"""The space of compact decoders: its size, its published members, and which decoders are one."""

from __future__ import annotations

import json
from itertools import permutations, product
from pathlib import Path
from random import Random

import pytest
import torch

from atrous.core.architecture import Cost
from atrous.core.errors import AtrousError
from atrous.estimation.learning import Aids, Supervision, supervised, tail
from atrous.spaces import find_architecture, write_architecture
from atrous.spaces.fast_dense.cell import NONE, SKIP, Cell, Terms, slots_of, wiring
from atrous.spaces.fast_dense.space import (
    PUBLISHED,
    Design,
    canonical,
    decode,
    decoder_cost,
    encode,
    fast_dense,
    strides_of,
)
from atrous.tasks.segmentation.probabilities import class_scores

MAPS = {4: (24, 128, 128), 8: (32, 64, 64), 16: (96, 32, 32), 32: (320, 16, 16)}
"""The maps of MobileNet-v2 of 512 x 512 pixels, at output stride 32."""
ALL = range(4)

Signature = tuple[tuple[tuple[int, int, Terms], ...], Terms]


def signature(cell: Cell) -> Signature:
    """What a cell computes, whatever its operations are numbered: the least over all numberings."""
    found = wiring(cell)
    kinds = {number: slots_of(cell)[number][1] for number in found.inputs}

    def renamed(order: tuple[int, ...]) -> Signature:
        name = dict(zip(kinds, order, strict=True)) | {-1: -1}
        rows = [
            (name[n], kinds[n], tuple(sorted(name[t] for t in terms)))
            for n, terms in found.inputs.items()
        ]
        return tuple(sorted(rows)), tuple(sorted(name[t] for t in found.output))

    return min(map(renamed, permutations(range(len(kinds)))))


def cells(operations: tuple[int, ...]) -> list[Cell]:
    """Every cell of one layer, and some of two, with some of the operations."""
    slots = list(product(range(2), operations))
    found = [Cell(o, ((s, t),)) for o in operations for s in slots for t in slots]
    more = list(product(range(5), operations))
    rng = Random(0)

    def two() -> Cell:
        one, other = (rng.choice(slots), rng.choice(slots)), (rng.choice(more), rng.choice(more))
        return Cell(rng.choice(operations), (one, other))

    return found + [two() for _ in range(2000)]


def with_scores(cost: Cost, width: int, classes: int, positions: int) -> Cost:
    """The cost with that of the 3x3 convolution that makes class scores."""
    weights = 9 * width * classes
    return cost + Cost(weights + classes, weights * positions)


def published_cost(name: str, width: int, repeats: int) -> Cost:
    """The cost as its authors count: with the adapters of all four maps, 21 classes, 512 x 512."""
    decoder = decode(fast_dense().published[name])
    stride = min(strides_of(decoder, MAPS)[4 + block] for block in decoder.loose)
    cost = decoder_cost(decoder, MAPS, width, repeats, ALL)
    return with_scores(cost, width, 21, MAPS[stride][1] * MAPS[stride][2])


def test_there_are_as_many_as_the_rules_of_the_decoder_allow() -> None:
    assert fast_dense().size() == (4 * 5 * 6) ** 2 * 11**7 * (2 * 5 * 8) ** 2
    assert fast_dense().size() == 1_795_937_679_360_000
    assert fast_dense(1, 1).size() == 4**2 * 11**3 * 2**2


def test_published_decoders_cost_what_their_authors_say() -> None:
    found = {name: published_cost(name, 64, 2) for name in PUBLISHED}
    assert found == {
        "arch0": Cost(817_109, 2_681_233_408),
        "arch1": Cost(997_333, 1_327_497_216),
        "arch2": Cost(1_040_341, 1_845_780_480),
    }


def test_in_the_search_they_are_narrower_and_not_repeated() -> None:
    found = [published_cost(name, 48, 1) for name in PUBLISHED]
    assert found == [
        Cost(399_717, 1_346_778_624),
        Cost(503_397, 681_148_416),
        Cost(594_405, 1_055_995_392),
    ]


def test_built_they_lack_the_adapter_of_the_map_that_they_do_not_read() -> None:
    space, channels = fast_dense(3, 3, 2), {s: shape[0] for s, shape in MAPS.items()}
    for name, unread in (("arch0", 32), ("arch1", 24), ("arch2", 24)):
        part = space.build(space.published[name], channels, 64)
        counted = sum(p.numel() for p in part.parameters())
        scores = sum(p.numel() for p in class_scores(64, 21, part.kernel).parameters())
        assert counted + scores + unread * 64 + 128 == published_cost(name, 64, 2).parameters


def test_auxiliary_cells_are_as_large_as_published() -> None:
    space, channels = fast_dense(3, 3, 2), {s: shape[0] for s, shape in MAPS.items()}
    found = {}
    for name, genotype in space.published.items():
        learner = supervised(tail(space.build(genotype, channels, 64), 21), Aids(0.15))
        assert isinstance(learner, Supervision)
        found[name] = sum(p.numel() for p in learner.inner.parameters())
    assert found == {"arch0": 404_607, "arch1": 496_767, "arch2": 518_271}


@pytest.mark.parametrize("layers", [1, 2])
def test_the_canonical_form_computes_the_same(layers: int) -> None:
    for cell in (c for c in cells((0, 1, SKIP, NONE)) if len(c.layers) == layers):
        form = decode(canonical(encode(Design(((0, 0),), cell)), 1), 1)
        assert signature(form.cell) == signature(cell)


def test_one_form_for_all_orders() -> None:
    """Slots and blocks turned round, and layers that do not read one another exchanged."""
    rng, space = Random(1), fast_dense()
    for _ in range(100):
        genotype = space.sample(rng)
        decoder = decode(genotype)
        first, *rest = decoder.cell.layers
        name = {2: 3, 3: 2}
        renamed = [((name.get(p, p), o), (name.get(q, q), r)) for (p, o), (q, r) in rest]
        turned = Cell(decoder.cell.first, ((first[1], first[0]), *renamed))
        blocks = tuple((b, a) for a, b in decoder.connections)
        assert canonical(encode(Design(blocks, turned))) == canonical(genotype)
    first, second = ((0, 1), (0, 2)), ((1, 3), (0, 4))
    pairs = (Cell(0, (first, second)), Cell(0, (second, first)))
    assert len({canonical(encode(Design(((0, 1),), cell)), 1) for cell in pairs}) == 1
    this = Design(((3, 3), (3, 2), (3, 0)), Cell(0, ()))
    that = Design(((0, 3), (2, 3), (3, 3)), Cell(0, ()))
    assert canonical(encode(this)) == canonical(encode(that))


def test_an_operation_that_reaches_nothing_is_one_with_none() -> None:
    """The first sum is read by `none` alone, so that its operations are hidden."""
    hidden = [Cell(0, (((0, o), (0, 1)), ((4, NONE), (0, 2)))) for o in (0, 3, NONE)]
    forms = {canonical(encode(Design(((0, 1),), cell)), 1) for cell in hidden}
    assert len(forms) == 1
    form = decode(forms.pop(), 1)
    assert {o for _, o in form.cell.layers[0]} == {NONE}
    assert decoder_cost(form, MAPS, 8) == decoder_cost(Design(((0, 1),), hidden[0]), MAPS, 8)


def test_without_deep_maps_the_deepest_stands_for_them() -> None:
    assert fast_dense().reads((2, 4, 8, 16, 32)) == (4, 8, 16, 32)
    assert fast_dense().reads((2, 4, 8, 16)) == (4, 8, 16)
    assert fast_dense().reads((8, 16)) == (8, 16)


def test_a_cell_that_gives_nothing_still_builds_and_trains() -> None:
    nothing = Cell(NONE, (((0, NONE), (0, NONE)),))
    genotype = encode(Design(((0, 1),), nothing))
    part = fast_dense(1, 1).build(genotype, {4: 2, 8: 3}, 4)
    output = part({4: torch.randn(2, 2, 9, 9), 8: torch.randn(2, 3, 5, 5)})
    output.sum().backward()
    assert output.shape == (2, 4, 9, 9)


def test_files_are_in_their_authors_form(tmp_path: Path) -> None:
    path = tmp_path / "arch1.json"
    path.write_text(PUBLISHED["arch1"])
    architecture = find_architecture(str(path))
    assert architecture == find_architecture("fast_dense:arch1")
    assert json.loads(write_architecture(architecture)) == json.loads(PUBLISHED["arch1"])
    path.write_text("[[8, [0,0,5]], [[3,3]]]")
    with pytest.raises(AtrousError, match="three layers of two maps and two operations"):
        find_architecture(str(path))
    with pytest.raises(AtrousError, match="3 blocks and 3 layers"):
        write_architecture(find_architecture("fast_dense-1x1:0.1.0.0.0.0.0"))


def test_the_sketch_names_what_is_read() -> None:
    text = fast_dense().text(fast_dense().published["arch0"])
    assert "block 2: cell(stride 32) + cell(stride 4)" in text
    assert "joined: block 0, block 1, block 2" in text
    assert "map 8: conv 3x3 of map 0, map 9: global pooling of map 5" in text
