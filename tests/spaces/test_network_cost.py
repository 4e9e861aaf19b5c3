"""What whole networks cost, beside published figures and the arithmetic of their parts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from atrous.core.architecture import Cost
from atrous.data.encoding import distinct
from atrous.networks.backbones import backbone_cost, outline
from atrous.spaces import find_architecture
from atrous.spaces.blueprint import Blueprint, build_network, network_cost
from atrous.spaces.dpc.space import cell_cost, decode
from tests.model.material import BLUEPRINT

CITYSCAPES = (1025, 2049)
CLASSES = 19


def blueprint(architecture: str, backbone: str, decoder: bool) -> Blueprint:
    names = tuple(map(str, range(CLASSES)))
    return Blueprint(
        find_architecture(architecture), backbone, 16, 256, decoder, names, distinct(CLASSES)
    )


@pytest.mark.parametrize(
    ("architecture", "backbone", "multiply_adds", "parameters"),
    [
        ("dpc:top1", "xception71", 502.07e9, 41.61e6),
        ("dpc:aspp", "xception65", 418.64e9, 41.05e6),
    ],
)
def test_networks_of_the_model_zoo_cost_what_is_published(
    architecture: str, backbone: str, multiply_adds: float, parameters: float
) -> None:
    """The reference's zoo: whole networks with the decoder, at Cityscapes' size."""
    found = network_cost(blueprint(architecture, backbone, True), CITYSCAPES)
    assert found.multiply_adds == pytest.approx(multiply_adds, rel=0.001)
    assert found.parameters == pytest.approx(parameters, rel=0.0005)


def test_a_network_costs_what_its_parts_cost() -> None:
    one = blueprint("dpc:top1", "mobilenetv2_100", False)
    backbone = backbone_cost(outline("mobilenetv2_100", 16), CITYSCAPES)
    cell = cell_cost(decode(one.architecture.genotype), 320, 256, (65, 129))
    scores = Cost(256 * CLASSES + CLASSES, 256 * CLASSES * 65 * 129)
    assert network_cost(one, CITYSCAPES) == backbone + cell.total + scores


def test_the_decoder_works_at_stride_4() -> None:
    plain, refined = (
        network_cost(blueprint("dpc:top1", "mobilenetv2_100", d), CITYSCAPES) for d in (False, True)
    )
    weights = 24 * 48 + 304 * 9 + 304 * 256 + 256 * 9 + 256 * 256
    norms = 2 * (48 + 304 + 256 + 256 + 256)
    positions, coarse = 257 * 513, 65 * 129
    assert refined.parameters - plain.parameters == weights + norms
    moved = 256 * CLASSES * (positions - coarse)
    assert refined.multiply_adds - plain.multiply_adds == weights * positions + moved


def test_an_image_costs_what_its_canvas_costs() -> None:
    assert network_cost(BLUEPRINT, (50, 90)) == network_cost(BLUEPRINT, (65, 97))
    assert network_cost(BLUEPRINT, (66, 97)) != network_cost(BLUEPRINT, (65, 97))


def test_parameters_are_those_of_the_built_network() -> None:
    for one in (BLUEPRINT, replace(BLUEPRINT, output_stride=8, decoder=False)):
        built = build_network(one)
        assert network_cost(one, (65, 97)).parameters == sum(p.numel() for p in built.parameters())
