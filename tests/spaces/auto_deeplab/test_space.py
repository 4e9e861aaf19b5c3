"""The space of Auto-DeepLab: its size, its codes, and how its paths are drawn."""

from __future__ import annotations

from collections import Counter
from itertools import product
from math import comb, prod
from random import Random

import pytest

from atrous.core.architecture import Genotype
from atrous.core.errors import AtrousError
from atrous.spaces.auto_deeplab.cell import BLOCKS, GIVEN, OPERATIONS, Block, Edge, Operation
from atrous.spaces.auto_deeplab.space import (
    PUBLISHED_CELL,
    PUBLISHED_PATH,
    auto_deeplab,
    canonical,
    decode,
    decoded,
    encode,
    layers_of,
    plain,
)
from atrous.spaces.auto_deeplab.trellis import LEVELS, STRIDES, Path, exits, is_path
from atrous.spaces.space import Space


def path_of(genotype: Genotype, layers: int) -> Path:
    return decode(genotype, layers).path


def walked(space: Space, rng: Random) -> Genotype:
    """One decision after another, each uniform over its choices."""
    state, genotype = space.rules.start, []
    while choices := space.rules.choices(state):
        genotype.append(rng.randrange(choices))
        state = space.rules.step(state, genotype[-1])
    return tuple(genotype)


def paths_by_end(moves: int) -> tuple[int, ...]:
    """How many paths of so many moves from stride 4 end at each level: 12 layers are 12 moves, or
    11 where the first layer is fixed at stride 4, as the paper counts."""
    counts = tuple(int(level == 0) for level in LEVELS)
    for _ in range(moves):
        counts = tuple(sum(counts[source] for source in exits(level)) for level in LEVELS)
    return counts


def cells(blocks: int = BLOCKS) -> int:
    """How many cells decoding can give: of each block two different states, seven operations."""
    return prod(comb(block + GIVEN, 2) * len(OPERATIONS) ** 2 for block in range(blocks))


def test_paths_are_as_many_as_the_paper_counts_and_as_its_text_says() -> None:
    assert sum(paths_by_end(11)) == 28_657
    assert paths_by_end(12) == (14_445, 23_256, 23_112, 14_212)
    assert sum(paths_by_end(12)) == 75_025


def test_paths_are_those_found_by_brute_force() -> None:
    every = [path for path in product(range(4), repeat=6) if is_path(path)]
    assert Counter(path[-1] for path in every) == dict(enumerate(paths_by_end(6)))
    spelt = {path_of(genotype, 6) for genotype in every_path(6)}
    assert spelt == set(every)


def every_path(layers: int) -> set[Genotype]:
    """One genotype of each path: those with the first of all cells."""
    space = auto_deeplab(layers, 1)
    return {space.unrank(rank) for rank in range(0, space.size(), cells(1))}


def test_cells_are_as_many_as_decoding_can_give_and_as_the_paper_counts() -> None:
    assert cells() == 762_683_172_300 == 2_700 * 7**10
    # The paper's states may be equal and come in two orders, and `none` is an operation.
    published = prod(((block + GIVEN) * (len(OPERATIONS) + 1)) ** 2 for block in range(BLOCKS))
    assert published == 556_627_761_561_600


def test_the_size_is_that_of_paths_times_cells() -> None:
    assert auto_deeplab().size() == 75_025 * 762_683_172_300
    assert auto_deeplab(3, 1).size() == 13 * 49
    assert auto_deeplab(3, 2).size() == 13 * 49 * 3 * 49


def test_the_published_network_is_that_of_the_paper() -> None:
    space = auto_deeplab()
    assert space.published == {
        "plain": plain(12, 5),
        "published": encode(PUBLISHED_PATH, PUBLISHED_CELL),
    }
    published = decode(space.published["published"])
    assert [STRIDES[level] for level in published.path] == [
        4,
        4,
        4,
        8,
        16,
        8,
        16,
        16,
        32,
        32,
        16,
        8,
    ]
    assert [f"{block.first}, {block.second}" for block in published.cell] == [
        "sep 3x3 of layer - 1, atrous 5x5 of layer - 2",
        "atrous 3x3 of layer - 1, sep 3x3 of layer - 2",
        "sep 3x3 of layer - 2, sep 3x3 of block 1",
        "sep 5x5 of block 0, sep 5x5 of block 2",
        "sep 5x5 of block 1, atrous 5x5 of block 3",
    ]


def test_a_genotype_is_the_path_then_three_decisions_a_block() -> None:
    genotype = (1, 2, 0, 0, 5, 6, 2, 0, 3)
    spelt = decode(genotype, layers=3)
    assert spelt.path == (1, 2, 1)
    assert spelt.cell == (
        Block(Edge(0, Operation.MAXIMUM), Edge(1, Operation.SKIP)),
        Block(Edge(1, Operation.SEPARABLE_3), Edge(2, Operation.ATROUS_5)),
    )
    assert encode(spelt.path, spelt.cell) == genotype
    space = auto_deeplab(3, 2)
    assert list(space.widths(genotype).items()) == [
        ("layer 0 level", 2),
        ("layer 1 level", 3),
        ("layer 2 level", 3),
        ("block 0 states", 1),
        ("block 0 first operation", 7),
        ("block 0 second operation", 7),
        ("block 1 states", 3),
        ("block 1 first operation", 7),
        ("block 1 second operation", 7),
    ]


@pytest.mark.parametrize(("layers", "blocks"), [(12, 5), (2, 1), (8, 3), (20, 7)])
def test_genotypes_and_networks_are_two_spellings(layers: int, blocks: int) -> None:
    space, rng = auto_deeplab(layers, blocks), Random(2)
    for genotype in (space.sample(rng) for _ in range(50)):
        spelt = decode(genotype, layers)
        assert (len(spelt.path), len(spelt.cell)) == (layers, blocks)
        assert is_path(spelt.path)
        assert encode(spelt.path, spelt.cell) == genotype
        assert decoded(space.architecture(genotype)) == spelt


def test_cells_do_not_depend_on_the_path_and_the_states_say_so() -> None:
    grammar = auto_deeplab(3, 2).rules
    reached = set()
    for path in every_path(3):
        state = grammar.start
        for choice in path[:3]:
            state = grammar.step(state, choice)
        reached.add(state)
    assert len(reached) == 1


@pytest.mark.parametrize("path", [(2, 1), (0, 2), (0, 1, 3), (0, -1), (3, 4)])
def test_paths_that_jump_or_leave_the_levels_are_refused(path: Path) -> None:
    with pytest.raises(AtrousError, match=r"each at most 1 from the one before"):
        encode(path, PUBLISHED_CELL)


@pytest.mark.parametrize("states", [(1, 1), (1, 0), (0, 3)])
def test_blocks_that_read_one_state_twice_or_a_later_one_are_refused(
    states: tuple[int, int],
) -> None:
    block = Block(*(Edge(state, Operation.SKIP) for state in states))
    with pytest.raises(AtrousError, match=rf"Block 1: .* got {states[0]} and {states[1]}\."):
        encode((0, 0), (PUBLISHED_CELL[0], block))


@pytest.mark.parametrize(("layers", "blocks"), [(1, 5), (100, 5), (12, 0), (12, 8)])
def test_networks_have_2_to_99_layers_and_1_to_7_blocks(layers: int, blocks: int) -> None:
    with pytest.raises(AtrousError, match=f"2 to 99 layers .* got {layers} and {blocks}"):
        auto_deeplab(layers, blocks)


@pytest.mark.parametrize(
    ("name", "layers"), [("auto_deeplab", 12), ("auto_deeplab-8", 8), ("auto_deeplab-20x3", 20)]
)
def test_the_name_of_a_space_tells_its_layers(name: str, layers: int) -> None:
    assert layers_of(name) == layers


def test_the_canonical_form_keeps_the_path() -> None:
    space, rng = auto_deeplab(), Random(4)
    for genotype in (space.sample(rng) for _ in range(50)):
        assert path_of(canonical(genotype), 12) == path_of(genotype, 12)


def chi_square(layers: int, drawn: list[Genotype]) -> float:
    """Of the drawn paths against equal shares; its mean, if uniform, is the degrees of freedom."""
    counts = Counter(path_of(genotype, layers) for genotype in drawn)
    paths = sum(paths_by_end(layers))
    share = len(drawn) / paths
    return sum((counts[path_of(g, layers)] - share) ** 2 / share for g in every_path(layers))


def test_sampling_is_uniform_over_paths_where_a_walk_is_not() -> None:
    space, rng, paths = auto_deeplab(5, 1), Random(6), 89
    uniform = chi_square(5, [space.sample(rng) for _ in range(100 * paths)])
    stepwise = chi_square(5, [walked(space, rng) for _ in range(100 * paths)])
    bound = paths - 1 + 4 * (2 * (paths - 1)) ** 0.5
    assert sum(paths_by_end(5)) == paths
    assert uniform < bound < 10 * bound < stepwise


def test_a_walk_stays_at_stride_4_far_more_often_than_once_in_75025() -> None:
    """The two examples of the module's docstring."""
    assert walk_probability((0,) * 12) == pytest.approx(1 / 4_096)
    assert walk_probability((1,) * 12) == pytest.approx(1 / 354_294)


def walk_probability(path: Path) -> float:
    grammar = auto_deeplab(len(path), 1).rules
    state, probability = grammar.start, 1.0
    for choice in encode(path, PUBLISHED_CELL[:1])[: len(path)]:
        probability /= grammar.choices(state)
        state = grammar.step(state, choice)
    return probability
