"""What follows from a grammar, on spaces whose decisions depend on each other and on cells."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise, product
from random import Random

import pytest

from atrous.core.architecture import Architecture, Genotype
from atrous.core.errors import AtrousError
from atrous.core.grammar import Independent
from atrous.spaces.dpc.space import dpc
from atrous.spaces.space import Space
from tests.spaces.toy import chain, walk

SMALL = {"walk": walk(5), "chain": chain(4), "cells": dpc(1)}
small = pytest.mark.parametrize("space", SMALL.values(), ids=SMALL)


def levels(genotype: Genotype) -> list[int]:
    """The levels a walk visits, by the rules in words."""
    visited = [0]
    for choice in genotype:
        within_reach = [n for n in range(4) if abs(n - visited[-1]) <= 1]
        visited.append(within_reach[choice])
    return visited


@pytest.mark.parametrize(
    ("space", "size"), [(walk(11), 28_657), (walk(12), 75_025), (chain(4), 31), (walk(0), 1)]
)
def test_sizes_are_exact(space: Space, size: int) -> None:
    assert space.size() == size


def test_counting_does_not_enumerate() -> None:
    fibonacci = [0, 1]
    while len(fibonacci) < 402:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    assert walk(200).size() == fibonacci[401]


def test_drawing_looks_choices_up_and_does_not_go_through_them() -> None:
    steps: list[int] = []

    class Watched(Independent):
        def step(self, state: int, choice: int) -> int:
            steps.append(choice)
            return super().step(state, choice)

    space = replace(dpc(), rules=Watched(dpc().rules.counts))  # type: ignore[attr-defined]
    assert space.size() == dpc().size()
    steps.clear()
    assert len(space.sample(Random(0))) == len(steps)


def test_all_walks_are_the_walks_found_by_brute_force() -> None:
    paths = {
        path
        for path in product(range(4), repeat=6)
        if path[0] == 0 and all(abs(a - b) <= 1 for a, b in pairwise(path))
    }
    found = [tuple(levels(genotype)) for genotype in SMALL["walk"].all()]
    assert len(found) == len(paths) == SMALL["walk"].size()
    assert set(found) == paths


@small
def test_rank_and_unrank_are_inverse_over_the_whole_space(space: Space) -> None:
    genotypes = [space.unrank(rank) for rank in range(space.size())]
    assert genotypes == sorted(set(genotypes))
    assert genotypes == list(space.all())
    assert [space.rank(genotype) for genotype in genotypes] == list(range(space.size()))


@pytest.mark.parametrize("rank", [-1, 31])
def test_ranks_outside_the_space_are_refused(rank: int) -> None:
    with pytest.raises(IndexError, match=rf"rank {rank} is outside 0 \.\. 30 of space chain-4"):
        chain(4).unrank(rank)


@small
def test_samples_are_uniform(space: Space) -> None:
    """Chi-square with n - 1 degrees of freedom has mean n - 1 and variance 2 (n - 1)."""
    draws, rng, size = 200 * space.size(), Random(5), space.size()
    counts = Counter(space.sample(rng) for _ in range(draws))
    statistic = sum((counts[g] - 200) ** 2 / 200 for g in space.all())
    assert counts.keys() == set(space.all())
    assert abs(statistic - (size - 1)) < 3 * (2 * (size - 1)) ** 0.5


def test_samples_depend_on_the_generator_alone() -> None:
    assert [walk(9).sample(Random(3)) for _ in range(3)] == [walk(9).sample(Random(3))] * 3
    assert len({walk(9).sample(Random(seed)) for seed in range(20)}) > 15


@small
def test_neighbours_differ_in_exactly_one_decision(space: Space) -> None:
    everything = list(space.all())
    for genotype in everything:
        expected = {
            other
            for other in everything
            if len(other) == len(genotype)
            and sum(a != b for a, b in zip(genotype, other, strict=True)) == 1
        }
        neighbours = space.neighbours(genotype)
        assert len(neighbours) == len(set(neighbours))
        assert set(neighbours) == expected


def test_variants_change_one_position_and_stay_valid() -> None:
    # Staying on level 0 first leaves two choices at the next move, so the 2 there forbids it.
    assert walk(2).variants((1, 2), 0) == []
    assert walk(2).variants((1, 2), 1) == [(1, 0), (1, 1)]
    assert walk(2).variants((0, 1), 0) == [(1, 1)]


@small
def test_mutations_are_neighbours_and_reach_every_one(space: Space) -> None:
    rng = Random(2)
    genotype = max(space.all(), key=lambda g: len(space.neighbours(g)))
    neighbours = space.neighbours(genotype)
    drawn = Counter(space.mutate(genotype, rng) for _ in range(60 * len(neighbours)))
    assert drawn.keys() == set(neighbours)


def test_a_mutation_draws_the_decision_first() -> None:
    """The input of branch 1 has 1 other choice, the operations 80: yet each moves equally often."""
    space, rng = dpc(2), Random(4)
    genotype = (0, 5, 1, 7)
    moved = Counter(
        next(p for p in range(4) if genotype[p] != mutant[p])
        for mutant in (space.mutate(genotype, rng) for _ in range(900))
    )
    assert moved.keys() == {1, 2, 3}
    assert all(240 < count < 360 for count in moved.values())


@pytest.mark.parametrize(("space", "lonely"), [(chain(4), (0,)), (walk(0), ())])
def test_where_no_decision_can_change_alone_mutation_changes_nothing(
    space: Space, lonely: Genotype
) -> None:
    assert space.neighbours(lonely) == []
    assert space.mutate(lonely, Random(0)) == lonely


@small
def test_widths_are_the_numbers_of_choices(space: Space) -> None:
    for genotype in space.all():
        widths = space.widths(genotype).values()
        assert len(widths) == len(genotype)
        assert all(choice < width for choice, width in zip(genotype, widths, strict=True))
    walked = {"decision 0": 2, "decision 1": 3, "decision 2": 3}
    assert walk(3).widths((1, 2, 1)) == walked
    assert dpc(2).widths((0, 0, 1, 80)) == {
        "branch 0 input": 1,
        "branch 0 operation": 81,
        "branch 1 input": 2,
        "branch 1 operation": 81,
    }


@pytest.mark.parametrize(
    ("genotype", "message"),
    [
        ((2, 0, 0), r"Space walk-3: expected one of 0 \.\. 1 at position 0 of 2\.0\.0, got 2"),
        ((0, 2, 0), r"expected one of 0 \.\. 1 at position 1 of 0\.2\.0, got 2"),
        ((1, -1, 0), r"expected one of 0 \.\. 2 at position 1 of 1\.-1\.0, got -1"),
        ((1, 2, 1, 0), r"expected no further decision at position 3 of 1\.2\.1\.0, got 0"),
        ((1, 2), r"1\.2 ends after 2 decisions, but more are needed"),
        ((), "an empty genotype ends after 0 decisions"),
    ],
)
def test_the_first_refused_decision_is_named(genotype: Genotype, message: str) -> None:
    assert not walk(3).is_valid(genotype)
    for use in (walk(3).validate, walk(3).rank, walk(3).architecture):
        with pytest.raises(AtrousError, match=message):
            use(genotype)


def test_validity_agrees_with_the_enumeration() -> None:
    everything = set(chain(3).all())
    attempts = [g for length in range(6) for g in product(range(-1, 4), repeat=length)]
    assert {g for g in attempts if chain(3).is_valid(g)} == everything


def test_an_architecture_carries_the_name_of_its_space() -> None:
    assert walk(3).architecture((1, 2, 1)) == Architecture("walk-3", (1, 2, 1))
