"""What every space of the registry keeps."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from random import Random

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from atrous.core.architecture import Genotype
from atrous.spaces import FAMILIES, find_architecture, find_space
from atrous.spaces.space import Space

every_space = pytest.mark.parametrize(
    "space", [f.make() for f in FAMILIES.values()], ids=list(FAMILIES)
)
CHANNELS, FILTERS, SIZE = 6, 4, (9, 7)
IMAGE = (65, 97)


def input_of(space: Space) -> tuple[int, tuple[int, int]]:
    """Channels and size of what the space's cost is asked for: a feature map, or an image."""
    return (3, IMAGE) if space.trunk else (CHANNELS, SIZE)


def samples(space: Space, count: int) -> list[Genotype]:
    rng = Random(f"samples of {space.name}")
    return [space.sample(rng) for _ in range(count)] + list(space.published.values())


@every_space
def test_its_name_leads_back_to_it(space: Space) -> None:
    assert find_space(space.name).name == space.name
    assert find_space(space.name).published == space.published
    assert space.title


@every_space
def test_ranks_and_genotypes_are_one_to_one(space: Space) -> None:
    size = space.size()
    for rank in (0, 1, size // 3, size - 1):
        genotype = space.unrank(rank)
        assert space.is_valid(genotype)
        assert space.rank(genotype) == rank
    assert all(space.unrank(space.rank(g)) == g for g in samples(space, 20))


@every_space
def test_neighbourhood_is_mutual(space: Space) -> None:
    rng = Random(0)
    for genotype in samples(space, 5):
        neighbours = space.neighbours(genotype)
        assert genotype not in neighbours
        assert all(space.is_valid(other) for other in neighbours)
        assert all(genotype in space.neighbours(other) for other in rng.sample(neighbours, 3))
        assert space.mutate(genotype, rng) in neighbours


@every_space
def test_the_canonical_form_is_a_member_and_stays(space: Space) -> None:
    for genotype in samples(space, 20):
        form = space.canonical(genotype)
        assert space.is_valid(form)
        assert space.canonical(form) == form


@every_space
def test_the_canonical_form_costs_the_same(space: Space) -> None:
    channels, size = input_of(space)
    for genotype in samples(space, 20):
        both = (genotype, space.canonical(genotype))
        assert len({space.cost(g, channels, FILTERS, size) for g in both}) == 1


@every_space
def test_names_and_files_lead_back_to_the_architecture(space: Space, tmp_path: Path) -> None:
    for genotype in samples(space, 5):
        architecture = space.architecture(genotype)
        assert find_architecture(str(architecture)) == architecture
        (tmp_path / "one.json").write_text(json.dumps(asdict(architecture)))
        assert find_architecture(str(tmp_path / "one.json")) == architecture
    for name, genotype in space.published.items():
        assert find_architecture(f"{space.name}:{name}") == space.architecture(genotype)


@every_space
@pytest.mark.parametrize("output_stride", [8, 16])
def test_what_it_builds_keeps_the_promised_shape_and_trains(
    space: Space, output_stride: int
) -> None:
    torch.manual_seed(0)
    for genotype in samples(space, 5):
        head = space.build(genotype, CHANNELS, FILTERS, output_stride)
        output = head(torch.randn(2, CHANNELS, *SIZE))
        assert output.shape == (2, space.width(FILTERS), *SIZE)
        output.square().sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())


@every_space
def test_a_trunk_gives_the_maps_that_it_promises(space: Space) -> None:
    if space.trunk is None:
        return
    for genotype in samples(space, 5):
        with torch.device("meta"):
            trunk = space.trunk(genotype, FILTERS)
            maps = trunk(torch.empty(2, 3, *IMAGE))
        assert {stride: found.shape[1] for stride, found in maps.items()} == trunk.channels
        assert trunk.output_stride in maps
        for stride, found in maps.items():
            assert found.shape[2:] == tuple((side - 1) // stride + 1 for side in IMAGE)


@every_space
def test_the_cost_is_that_of_what_it_builds(space: Space) -> None:
    channels, size = input_of(space)
    for genotype in samples(space, 10):
        cost = space.cost(genotype, channels, FILTERS, size)
        parts = whole_of(space, genotype)
        assert cost.parameters == sum(p.numel() for part in parts for p in part.parameters())
        assert cost.multiply_adds > 0


@every_space
def test_the_multiply_adds_of_a_whole_network_are_those_of_its_convolutions(space: Space) -> None:
    for genotype in samples(space, 5) if space.trunk else ():
        trunk, head = whole_of(space, genotype)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            head(trunk(torch.empty(1, 3, *IMAGE, device="meta"))[trunk.output_stride])
        expected = space.cost(genotype, 3, FILTERS, IMAGE).multiply_adds
        assert counter.get_total_flops() == 2 * expected


def whole_of(space: Space, genotype: Genotype) -> tuple[nn.Module, ...]:
    """The parts that the cost of an architecture counts, without storage: head, or trunk and
    head."""
    with torch.device("meta"):
        if space.trunk is None:
            return (space.build(genotype, CHANNELS, FILTERS, 16),)
        trunk = space.trunk(genotype, FILTERS)
        stride = trunk.output_stride
        return trunk, space.build(genotype, trunk.channels[stride], FILTERS, stride).eval()
