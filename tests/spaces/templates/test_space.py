"""The space of decoders made of templates: its size, its published members, and which are one."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path
from random import Random
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from atrous.core.architecture import Cost, Genotype
from atrous.core.errors import AtrousError
from atrous.data.encoding import distinct
from atrous.model.export.exported import export_network
from atrous.networks.pyramid import align
from atrous.spaces import find_architecture, find_space, write_architecture
from atrous.spaces.blueprint import Blueprint, blank_network, build_network, network_cost
from atrous.spaces.templates.module import TemplateDecoder
from atrous.spaces.templates.plan import STRIDED, plan_of
from atrous.spaces.templates.space import PUBLISHED, canonical, decode, encode, templates
from atrous.tasks.segmentation.probabilities import class_scores

CITYSCAPES = {4: (24, 256, 512), 8: (32, 128, 256)}
"""The maps of MobileNet-v2 of 1024 x 2048 pixels."""
CAMVID = {4: (24, 90, 120), 8: (32, 45, 60)}
ENCODER = 56_576
"""The parameters of its authors' encoder up to stride 8; timm's has a pair of layers less."""
PAIR = 1_088


def whole(name: str, classes: int, repeats: int = 2) -> Cost:
    """The cost of a published network as its authors count, but for the encoder's multiply-adds."""
    maps = CAMVID if classes == 11 else CITYSCAPES
    space = templates(3, 7, repeats)
    weights = 9 * 64 * classes
    scores = Cost(weights + classes, weights * maps[4][1] * maps[4][2])
    return space.cost(space.published[name], maps, 64) + scores + Cost(ENCODER, 0)


def test_there_are_as_many_as_the_rules_allow() -> None:
    maps = 2 * 3 * 4 * 5 * 6 * 7 * 8
    assert templates().size() == (6 * 6 * 2) ** 3 * 2**3 * maps**2 * (3 * 4) ** 7
    assert templates().size() == 173_939_110_768_450_260_172_800
    assert templates(1, 1).size() == 72 * 2 * 2 * 4 * 2


def test_published_networks_cost_what_their_authors_say() -> None:
    assert whole("arch0", 19) == Cost(280_147, 13_718_388_736 - 5_270_667_264)
    assert whole("arch1", 19) == Cost(268_235, 18_716_229_632 - 5_270_667_264)
    assert whole("arch0", 11) == Cost(275_531, 1_081_793_280 - 434_289_600)
    assert whole("arch1", 11) == Cost(263_619, 1_493_249_280 - 434_289_600)
    assert whole("arch0", 19, 1).parameters == 234_699
    assert whole("arch1", 19, 1).parameters == 204_427


def test_the_whole_network_has_no_more_of_the_backbone_than_it_reads() -> None:
    names = tuple(map(str, range(19)))
    architecture = find_architecture("templates:arch0")
    blueprint = Blueprint(architecture, "mobilenetv2_100", 16, 64, False, names, distinct(19))
    network = blank_network(blueprint)
    assert network.backbone.channels == {2: 16, 4: 24, 8: 32}
    assert (network.backbone.canvas, network.backbone.output_stride) == (16, 8)
    assert sum(p.numel() for p in network.backbone.parameters()) == ENCODER - PAIR
    other = replace(blueprint, architecture=find_architecture("templates:arch1"))
    assert network_cost(other, (65, 97)).parameters == 268_235 - PAIR


def test_what_nothing_reads_is_loose() -> None:
    loose = [
        plan_of(decode(templates().published[name]), {4: 24, 8: 32}, 2).loose for name in PUBLISHED
    ]
    assert loose == [(4, 6, 7, 8), (5, 6, 7, 8)]


def signature(genotype: Genotype, count: int) -> object:
    """What a genotype computes, whatever its layers and templates are numbered: the least over all
    orders of layers that may, and that may not stride."""
    design = decode(genotype, count)
    first, rest = range(min(STRIDED, len(design))), range(STRIDED, len(design))
    found = []
    for order in ((*a, *b) for a in permutations(first) for b in permutations(rest)):
        name = {0: 0, 1: 1} | {2 + old: 2 + new for new, old in enumerate(order)}
        rows = []
        for layer in (design[old] for old in order):
            sides = zip((name[k] for k in layer.maps), layer.template[:2], strict=True)
            # In a layer of one round its sides are equals; in others, the second is read again.
            read = sorted(sides) if layer.rounds == 1 else list(sides)
            rows.append((read, layer.template[2], layer.rounds, layer.stride))
        found.append(rows)
    return min(repr(sorted(enumerate(rows), key=repr)) for rows in found)


def small() -> Iterator[Genotype]:
    """Everything of two templates of two operations and two layers that do not stride."""
    kinds = list(product((0, 1), (0, 1), (0,)))
    one = list(product((0, 1), (0, 1), (0, 1), (0, 1), (0,)))
    other = list(product(range(3), range(3), (0, 1), (0, 1), (0,)))
    for parts in product(kinds, kinds, one, other):
        yield tuple(choice for part in parts for choice in part)


def test_the_canonical_form_is_one_for_all_that_compute_the_same() -> None:
    for count, genotypes in ((1, templates(1, 1).all()), (2, small())):
        forms, total = defaultdict(set), 0
        for genotype in genotypes:
            total += 1
            forms[signature(genotype, count)].add(canonical(genotype, count))
        assert all(len(found) == 1 for found in forms.values())
        assert len({form for found in forms.values() for form in found}) == len(forms) < total
        for found, (form,) in list(forms.items())[::7]:
            assert signature(form, count) == found


def test_layers_may_be_exchanged_within_those_that_stride_and_those_that_do_not() -> None:
    rng, space = Random(1), templates(2, 5)
    for genotype in (space.sample(rng) for _ in range(200)):
        assert signature(canonical(genotype, 2), 2) == signature(genotype, 2)
        design = decode(genotype, 2)
        for one in (0, 1, 3):
            if one + 2 in design[one + 1].maps:
                continue
            name = {one + 2: one + 3, one + 3: one + 2}
            moved = list(design)
            moved[one : one + 2] = reversed(design[one : one + 2])
            renamed = []
            for layer in moved:
                first, second = (name.get(k, k) for k in layer.maps)
                renamed.append(replace(layer, maps=(first, second)))
            assert canonical(encode(tuple(renamed), 2), 2) == canonical(genotype, 2)


def test_sides_are_turned_in_layers_of_one_round_alone() -> None:
    """Operations 0 and 1 of maps 0 and 1 against operations 1 and 0 of maps 1 and 0."""
    for rounds, same in ((0, True), (1, False)):
        one, other = (0, 1, 0, 0, 1, 0, rounds, 0), (1, 0, 0, 1, 0, 0, rounds, 0)
        assert (canonical(one, 1) == canonical(other, 1)) == same
    # A template that a layer of two rounds has serves one of one round, whose sides are turned.
    both = templates(2, 2).canonical((1, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0))
    assert both == (1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0)


def test_genotypes_and_designs_lead_to_one_another() -> None:
    rng, space = Random(2), templates()
    for genotype in (space.sample(rng) for _ in range(50)):
        assert decode(encode(decode(genotype))) == decode(genotype)


def test_without_a_map_at_stride_4_the_next_stands_for_it() -> None:
    assert templates().reads((2, 4, 8, 16, 32)) == (4, 8)
    assert templates().reads((8, 16)) == (8,)
    only = templates(1, 1)
    assert only.read_by((0, 0, 0, 1, 1, 0, 0, 0), (2, 4, 8, 16)) == (8,)


def test_maps_coarser_than_the_canvas_are_joined_where_they_lie() -> None:
    """A layer strides to 32 and 64, another enlarges its map to stride 4."""
    space = templates(2, 4, 1)
    genotype = (3, 3, 0, 5, 5, 0, 1, 1, 0, 2, 1, *(0, 0, 1, 0, 0) * 2, 2, 0, 1, 0)
    part = space.build(genotype, {4: 1, 8: 1, 16: 1}, 1).eval()
    assert isinstance(part, TemplateDecoder)
    assert [found.stride for found in part.plan.maps] == [4, 8, 64, 4, 4, 4]
    align(part, {4: 1.0, 8: 5.0, 16: 9.0})
    layer = cast(nn.ModuleList, part.layers[3])[0]
    cast(Tensor, layer.weights).data[1] = 0
    seen: list[Tensor] = []
    layer.register_forward_hook(lambda _, given, found: seen.extend((given[0][0], found)))
    fine = torch.randn(1, 1, 49, 65)
    part({4: fine, 8: torch.randn(1, 1, 25, 33)})
    coarse, enlarged = seen
    assert (coarse.shape[-2:], enlarged.shape[-2:]) == ((4, 5), (49, 65))
    # Position j of the fine map sees pixel 4 j + 1, i of the coarse one 64 i + 5, where that of
    # stride 8 does, which it is made of.
    places = torch.linspace(-4 / 64, 64 * 4 / 64 - 4 / 64, 65).clamp(0, 4)
    left = places.floor().long().clamp(max=3)
    share = places - left
    row = coarse[0, :, 0]
    wanted = row[:, left] * (1 - share) + row[:, left + 1] * share
    assert torch.allclose(enlarged[0, :, 0], wanted, atol=1e-4)


def test_files_are_in_their_authors_form(tmp_path: Path) -> None:
    path = tmp_path / "arch1.json"
    path.write_text(PUBLISHED["arch1"])
    architecture = find_architecture(str(path))
    assert architecture == find_architecture("templates:arch1")
    assert json.loads(write_architecture(architecture)) == json.loads(PUBLISHED["arch1"])
    path.write_text(PUBLISHED["arch1"].replace("[4,0,2,2,0]", "[4,0,2,2,1]"))
    with pytest.raises(AtrousError, match="layer 6 strides, where only the first 3 may"):
        find_architecture(str(path))
    with pytest.raises(AtrousError, match="3 templates and 7 layers"):
        write_architecture(find_architecture("templates-1x1:0.1.0.0.0.0.0.0"))


def test_sizes() -> None:
    assert find_space("templates-3x7x2").name == "templates"
    assert find_space("templates-2x3").name == "templates-2x3x2"


def test_the_sketch_names_what_is_read() -> None:
    text = templates().text(templates().published["arch1"])
    assert "template 1: separable 5x5 and max pooling 3x3, summed" in text
    assert "layer 1: template 1 of stride 4 and stride 8, 2 rounds, stride 2" in text
    assert "joined: layer 3, layer 4, layer 5, layer 6" in text
    assert class_scores(64, 19, 3).weight.shape == (19, 64, 3, 3)


@pytest.mark.slow
def test_a_map_of_one_position_is_exported_for_images_where_it_has_more(tmp_path: Path) -> None:
    architecture = find_architecture("templates-1x4:0.3.0.0.1.0.3.1" + ".0" * 10 + ".2.0.0.0")
    network = build_network(
        Blueprint(architecture, "test_resnet", 16, 4, False, ("a", "b"), distinct(2))
    )
    assert network.head.coarsest == 128
    found = export_network(network, tmp_path / "net.onnx", "onnx", sizes=[(1, (300, 411))])
    assert {check.size for check in found.comparisons} >= {(97, 131), (129, 193), (300, 411)}
    assert max(check.difference for check in found.comparisons) < 1e-4
