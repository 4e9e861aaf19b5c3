"""The space of dense prediction cells: its size, its codes, and which cells are one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations, product
from random import Random
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from atrous.core.architecture import Genotype
from atrous.core.errors import AtrousError
from atrous.spaces.dpc.cell import FEATURES, Branch, Cell, Convolution1x1, SeparableConvolution
from atrous.spaces.dpc.module import DensePredictionCell
from atrous.spaces.dpc.space import ASPP, OPERATIONS, TOP1, canonical, decode, dpc, encode


def reordered(cell: Cell) -> Iterator[tuple[tuple[int, ...], Cell]]:
    """Every order in which branches still read earlier ones alone, with the cell written so.

    `order[n]` is the number in `cell` of the branch that comes to stand at place n.
    """
    for order in permutations(range(len(cell))):
        place = {FEATURES: FEATURES} | {number: n for n, number in enumerate(order)}
        moved = tuple(replace(cell[n], input=place[cell[n].input]) for n in order)
        if all(branch.input < n for n, branch in enumerate(moved)):
            yield order, moved


def orbit(genotype: Genotype) -> frozenset[Genotype]:
    return frozenset(encode(cell) for _, cell in reordered(decode(genotype)))


def cells_of(branches: int, operations: tuple[int, ...]) -> Iterator[Genotype]:
    """All cells with some of the operations."""
    sources = product(*(range(i + 1) for i in range(branches)))
    for source, chosen in product(sources, product(operations, repeat=branches)):
        yield tuple(n for pair in zip(source, chosen, strict=True) for n in pair)


def test_the_published_size() -> None:
    assert dpc().size() == 418_414_128_120
    assert [dpc(b).size() for b in (1, 2, 3)] == [81, 13_122, 3_188_646]


def test_the_operations_are_the_published_81() -> None:
    names = [str(operation) for operation in OPERATIONS]
    rates = (1, 3, 6, 9, 12, 15, 18, 21)
    assert len(set(names)) == 81
    assert set(names) == (
        {"1x1"}
        | {f"3x3 rate {a}x{b}" for a in rates for b in rates}
        | {f"pool {a}x{b}" for a in (1, 2, 4, 8) for b in (1, 2, 4, 8)}
    )


def test_a_cell_of_five_branches_has_410_neighbours() -> None:
    rng = Random(1)
    for genotype in (dpc().sample(rng) for _ in range(3)):
        assert len(dpc().neighbours(genotype)) == 5 * 80 + (0 + 1 + 2 + 3 + 4)


def test_genotypes_and_cells_are_two_spellings() -> None:
    rng = Random(2)
    for genotype in (dpc().sample(rng) for _ in range(50)):
        assert encode(decode(genotype)) == genotype
        assert dpc().unrank(dpc().rank(genotype)) == genotype
    assert decode((0, 0, 1, 1)) == (
        Branch(Convolution1x1(), FEATURES),
        Branch(SeparableConvolution((1, 1)), 0),
    )


def test_the_published_cells_are_those_of_the_paper() -> None:
    space = dpc()
    assert {name: decode(genotype) for name, genotype in space.published.items()} == {
        "aspp": ASPP,
        "top1": TOP1,
    }
    assert all(space.is_valid(genotype) for genotype in space.published.values())
    assert [str(branch) for branch in TOP1] == [
        "3x3 rate 1x6 of features",
        "3x3 rate 18x15 of branch 0",
        "3x3 rate 6x3 of branch 1",
        "3x3 rate 1x1 of branch 0",
        "3x3 rate 6x21 of branch 0",
    ]
    assert [str(branch) for branch in ASPP] == [
        "1x1 of features",
        *(f"3x3 rate {rate}x{rate} of features" for rate in (6, 12, 18)),
        "pool 1x1 of features",
    ]


def test_operations_outside_the_space_are_refused() -> None:
    cell = (*TOP1[:2], Branch(SeparableConvolution((2, 5)), FEATURES))
    with pytest.raises(AtrousError, match=r"Branch 2: 3x3 rate 2x5 is not in the space\. Rates"):
        encode(cell)


@pytest.mark.parametrize("branches", [-1, 0, 100])
def test_cells_have_1_to_99_branches(branches: int) -> None:
    with pytest.raises(AtrousError, match=f"1 to 99 branches, got {branches}"):
        dpc(branches)


def test_two_branches_make_9882_classes_of_13122() -> None:
    everything = list(dpc(2).all())
    orbits = {orbit(genotype) for genotype in everything}
    assert len(orbits) == 9_882
    assert sum(map(len, orbits)) == len(everything) == 13_122
    assert len({canonical(genotype) for genotype in everything}) == 9_882


@pytest.mark.parametrize(
    ("branches", "operations"), [(3, (0, 7, 65)), (4, (0, 80)), (5, (3,)), (4, (1,))]
)
def test_canonical_joins_exactly_the_orders_of_one_cell(
    branches: int, operations: tuple[int, ...]
) -> None:
    for genotype in cells_of(branches, operations):
        same = orbit(genotype)
        assert canonical(genotype) in same
        assert {canonical(other) for other in same} == {canonical(genotype)}
    orbits = {orbit(genotype) for genotype in cells_of(branches, operations)}
    forms = {canonical(genotype) for genotype in cells_of(branches, operations)}
    assert len(orbits) == len(forms)


def test_canonical_of_random_cells_is_one_for_all_orders_and_stays() -> None:
    rng, space = Random(3), dpc()
    for genotype in (space.sample(rng) for _ in range(40)):
        same = orbit(genotype)
        assert {canonical(other) for other in same} == {canonical(genotype)}
        assert canonical(canonical(genotype)) == canonical(genotype)
        assert canonical(genotype) in same


def test_neighbours_are_other_cells_unless_they_are_another_order() -> None:
    genotype = encode(TOP1)
    for other in dpc().neighbours(genotype):
        assert (canonical(other) == canonical(genotype)) == (other in orbit(genotype))


def projection(cell: DensePredictionCell) -> nn.Conv2d:
    return cast(nn.Conv2d, cast(nn.Sequential, cell.projection)[0])


def settle(network: nn.Module) -> None:
    """Batch norm as after training: no two channels alike."""
    generator = torch.Generator().manual_seed(7)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                cast(Tensor, tensor).data.uniform_(0.5, 1.5, generator=generator)


def test_cells_of_one_canonical_form_compute_one_function() -> None:
    rng, space = Random(6), dpc()
    torch.manual_seed(0)
    features = torch.randn(2, 6, 9, 11, dtype=torch.float64)
    compared = 0
    for genotype in (space.sample(rng) for _ in range(4)):
        cell = decode(genotype)
        network = cast(DensePredictionCell, space.build(genotype, {16: 6}, 4)).double().eval()
        settle(network)
        for order, moved in list(reordered(cell))[:6]:
            twin = DensePredictionCell(moved, {16: 6}, 4).double().eval()
            for place, number in enumerate(order):
                twin.branches[place].load_state_dict(network.branches[number].state_dict())
            twin.projection.load_state_dict(network.projection.state_dict())
            parts = projection(network).weight.chunk(5, dim=1)
            with torch.no_grad():
                projection(twin).weight.copy_(torch.cat([parts[n] for n in order], dim=1))
                torch.testing.assert_close(twin({16: features}), network({16: features}))
            assert canonical(encode(moved)) == canonical(genotype)
            compared += order != tuple(range(5))
    assert compared > 5
