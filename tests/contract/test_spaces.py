"""What every space of the registry keeps."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from atrous.core.architecture import Genotype
from atrous.data.canvas import feature_size
from atrous.networks.layers import AtrousDepthwise
from atrous.spaces import FAMILIES, find_architecture, find_space, view_of
from atrous.spaces.space import Shape, Space
from atrous.spaces.view import Asked

COMPOSED = ("dpc-2+fast_dense-2x1", "dpc+classic", "dpc-1+dpc-1+fast_dense-1x1")
NAMES = (*FAMILIES, *COMPOSED)
every_space = pytest.mark.parametrize("space", [find_space(name) for name in NAMES], ids=NAMES)
CHANNELS, FILTERS = {4: 3, 8: 5, 16: 6}, 4
IMAGE = (65, 97)


def maps_of(space: Space) -> dict[int, Shape]:
    """The shapes of what the space's cost is asked for: an image, or the maps of a backbone."""
    channels = {1: 3} if space.encoder else CHANNELS
    return {stride: (count, *feature_size(IMAGE, stride)) for stride, count in channels.items()}


def samples(space: Space, count: int) -> list[Genotype]:
    rng = Random(f"samples of {space.name}")
    return [space.sample(rng) for _ in range(count)] + list(space.published.values())


@every_space
def test_its_name_leads_back_to_it(space: Space) -> None:
    assert find_space(space.name).name == space.name
    assert find_space(space.name).published == space.published
    assert space.title


@every_space
def test_what_stands_for_others_is_of_the_space(space: Space) -> None:
    for name, genotype in space.likened.items():
        assert space.is_valid(genotype)
        assert find_architecture(name).space != space.name


@every_space
def test_ranks_and_genotypes_are_one_to_one(space: Space) -> None:
    size = space.size()
    for rank in (0, 1, size // 3, size - 1):
        genotype = space.unrank(rank)
        assert space.is_valid(genotype)
        assert space.rank(genotype) == rank
    assert all(space.unrank(space.rank(g)) == g for g in samples(space, 20))


@every_space
def test_depthwise_convolutions_at_a_rate_go_the_road_that_is_right_in_bfloat16(
    space: Space,
) -> None:
    """The proxy computes in bfloat16 on CPUs; whole networks do not, and are not asked."""
    if space.encoder:
        return
    for genotype in samples(space, 5):
        for layer in space.build(genotype, CHANNELS, FILTERS).modules():
            if isinstance(layer, nn.Conv2d) and layer.groups > 1 and layer.dilation != (1, 1):
                assert isinstance(layer, AtrousDepthwise)


@every_space
def test_neighbourhood_is_mutual(space: Space) -> None:
    rng = Random(0)
    for genotype in samples(space, 5):
        neighbours = space.neighbours(genotype)
        assert genotype not in neighbours
        assert all(space.is_valid(other) for other in neighbours)
        some = rng.sample(neighbours, min(3, len(neighbours)))
        assert all(genotype in space.neighbours(other) for other in some)
        assert space.mutate(genotype, rng) in neighbours


@every_space
def test_a_genotype_is_spelt_by_its_decisions(space: Space) -> None:
    """Each has no more choices than the encoding has room for, and a place there."""
    for genotype in samples(space, 5):
        counts: list[int] = []

        def pick(place: int, count: int, genotype: Genotype = genotype) -> int:
            assert place == len(counts)  # noqa: B023 (asked before the next genotype)
            counts.append(count)  # noqa: B023
            return genotype[place]

        assert space.spell(pick) == genotype
        assert counts == [space.choices(genotype[:place]) for place in range(len(genotype))]
        limits = zip(genotype, counts, space.most_choices, strict=False)
        assert all(choice < count <= most for choice, count, most in limits)


@every_space
def test_the_canonical_form_is_a_member_and_stays(space: Space) -> None:
    for genotype in samples(space, 20):
        form = space.canonical(genotype)
        assert space.is_valid(form)
        assert space.canonical(form) == form


@every_space
def test_the_canonical_form_costs_the_same(space: Space) -> None:
    for genotype in samples(space, 20):
        both = (genotype, space.canonical(genotype))
        assert len({space.cost(g, maps_of(space), FILTERS) for g in both}) == 1


@every_space
@pytest.mark.parametrize("strides", [(4, 8, 16), (8, 16), (4, 8)])
def test_on_some_maps_there_are_no_more_forms(space: Space, strides: tuple[int, ...]) -> None:
    """What is one function on all maps is one on some; each form stays and costs the same."""
    if space.encoder:
        return
    maps = {s: shape for s, shape in maps_of(space).items() if s in strides}
    there = space.at(maps, FILTERS)
    for genotype in samples(space, 10):
        form = there.canonical(genotype)
        assert space.is_valid(form)
        assert there.canonical(form) == form == there.canonical(space.canonical(genotype))
        assert there.analytic_cost(form) == there.analytic_cost(genotype)


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
def test_its_architectures_are_shown_in_words_in_numbers_and_drawn(space: Space) -> None:
    view = view_of(space.name)
    assert view.noun
    assert view.shared
    for genotype in samples(space, 2):
        architecture = space.architecture(genotype)
        words, seen = view.words(architecture), view.observed(architecture)
        assert words.isascii()
        assert len(words.splitlines()) == 1
        assert seen
        assert all(all(pair) for pair in seen)
        told = view.describe(architecture, Asked(size=IMAGE, filters=FILTERS))
        assert told.sketch
        assert json.loads(json.dumps(told.facts)) == told.facts
        costs = [cost for group in told.parts for _, cost in group]
        assert all(cost.parameters > 0 for cost in costs)
        if drawing := view.draw(architecture):
            below = ElementTree.fromstring(f"<div>{drawing.svg}</div>")
            assert all(float(svg.attrib["viewBox"].split()[2]) > 0 for svg in below)
            assert view.reading


@every_space
@pytest.mark.parametrize("output_stride", [8, 16])
def test_what_it_builds_gives_the_map_it_declares_and_trains(
    space: Space, output_stride: int
) -> None:
    torch.manual_seed(0)
    channels = {stride: count for stride, count in CHANNELS.items() if stride <= output_stride}
    for genotype in samples(space, 5):
        part = space.build(genotype, channels, FILTERS)
        if space.encoder is None:
            told = space.read_by(genotype, channels)
            assert set(part.reads) <= set(told) <= set(space.reads(channels))
            assert space.reads_of is None or part.reads == told
        given = {s: torch.randn(2, channels[s], *feature_size(IMAGE, s)) for s in part.reads}
        output = part(given)
        assert output.shape == (2, part.channels, *feature_size(IMAGE, part.stride))
        output.square().sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in part.parameters())


@every_space
def test_a_refinement_gives_the_map_it_declares(space: Space) -> None:
    for genotype in samples(space, 2):
        part = space.build(genotype, CHANNELS, FILTERS)
        refinement = space.decoder(CHANNELS, part, FILTERS)
        given = {s: torch.randn(2, c, *feature_size(IMAGE, s)) for s, c in CHANNELS.items()}
        output = refinement(given, part(given))
        assert output.shape == (2, refinement.channels, *feature_size(IMAGE, refinement.stride))


@every_space
def test_an_encoder_gives_the_maps_that_it_promises(space: Space) -> None:
    for genotype in samples(space, 1) if space.encoder else ():
        assert space.encoder
        with torch.device("meta"):
            encoder = space.encoder.build(genotype, FILTERS)
            maps = encoder(torch.empty(2, 3, *IMAGE))
        assert {stride: found.shape[1] for stride, found in maps.items()} == encoder.channels
        assert max(maps) == encoder.output_stride
        assert encoder.canvas == space.encoder.coarsest
        for stride, found in maps.items():
            assert found.shape[2:] == feature_size(IMAGE, stride)


@every_space
def test_the_cost_is_that_of_what_it_builds(space: Space) -> None:
    for genotype in samples(space, 10):
        cost = space.cost(genotype, maps_of(space), FILTERS)
        assert space.at(maps_of(space), FILTERS).analytic_cost(genotype) == cost
        parts = whole_of(space, genotype)
        assert cost.parameters == sum(p.numel() for part in parts for p in part.parameters())
        assert cost.multiply_adds > 0


@every_space
def test_the_multiply_adds_of_a_whole_network_are_those_of_its_convolutions(space: Space) -> None:
    for genotype in samples(space, 1) if space.encoder else ():
        encoder, part = whole_of(space, genotype)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            part(encoder(torch.empty(1, 3, *IMAGE, device="meta")))
        expected = space.cost(genotype, maps_of(space), FILTERS).multiply_adds
        assert counter.get_total_flops() == 2 * expected


def whole_of(space: Space, genotype: Genotype) -> tuple[nn.Module, ...]:
    """The modules that the cost of an architecture counts, without storage: a part, or encoder and
    part."""
    with torch.device("meta"):
        if space.encoder is None:
            return (space.build(genotype, CHANNELS, FILTERS),)
        encoder = space.encoder.build(genotype, FILTERS)
        return encoder, space.build(genotype, encoder.channels, FILTERS).eval()
