from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from atrous.core.errors import AtrousError
from atrous.model.model import Model, load_model, save_model
from atrous.recipes.reproduction import at_stride, rebuild, require_stride
from atrous.spaces import find_architecture
from atrous.spaces.blueprint import Blueprint, build_network, network_cost
from atrous.training.optimiser import set_norm_decay

CLASSES = ("floor", "wall", "door")
COLOURS = ((0, 0, 0), (9, 9, 9), (200, 0, 0))


def model(architecture: str = "dpc:top1", seed: int = 3) -> Model:
    """With the batch norms of a network that has seen images."""
    blueprint = Blueprint(
        find_architecture(architecture), "mobilenetv2_035", 16, 8, False, CLASSES, COLOURS
    )
    network = build_network(blueprint, seed=seed)
    set_norm_decay(network, 1.0)
    with torch.no_grad():
        network.train()(torch.randn(4, 3, 65, 65, generator=torch.Generator().manual_seed(seed)))
    network.eval()
    return Model(network, blueprint, {"crop": [65, 65], "multiply_adds": 1, "steps": 2})


@torch.no_grad()
def test_every_second_place_is_as_before() -> None:
    before = model()
    after = at_stride(before, 8)
    images = torch.randn(1, 3, 97, 129, generator=torch.Generator().manual_seed(0))
    coarse, fine = before.network.coarse(images), after.network.coarse(images)
    assert coarse.shape == (1, 3, 7, 9)
    assert fine.shape == (1, 3, 13, 17)
    assert coarse.std() > 1e-3
    torch.testing.assert_close(fine[..., ::2, ::2], coarse, rtol=1e-3, atol=1e-5)
    assert not torch.allclose(fine[..., ::2, 1::2], coarse[..., :-1], atol=1e-3)


def test_the_record_is_that_of_the_new_network() -> None:
    before = model()
    after = at_stride(before, 8)
    assert after.blueprint.output_stride == 8
    assert after.training_record["steps"] == 2
    cost = network_cost(after.blueprint, (65, 65)).multiply_adds
    assert after.training_record["multiply_adds"] == cost
    assert cost > network_cost(before.blueprint, (65, 65)).multiply_adds
    assert before.training_record["multiply_adds"] == 1


@pytest.mark.slow
def test_rebuilt_once_for_the_same_weights(tmp_path: Path) -> None:
    trained, other = tmp_path / "trained", tmp_path / "other"
    save_model(model(), trained)
    rebuild(trained, 8, other)
    written = (other / "model.safetensors").stat().st_mtime_ns
    assert load_model(other).blueprint.output_stride == 8
    rebuild(trained, 8, other)
    assert (other / "model.safetensors").stat().st_mtime_ns == written
    save_model(model(seed=4), trained)
    rebuild(trained, 8, other)
    new, old = load_model(other).network.logits, load_model(trained).network.logits
    torch.testing.assert_close(new.weight, old.weight, rtol=0, atol=0)
    assert (other / "model.safetensors").stat().st_mtime_ns != written


@pytest.mark.parametrize("architecture", ["dpc:top1", "dpc:aspp"])
def test_any_size_of_image(architecture: str) -> None:
    fine = at_stride(model(architecture), 8)
    with torch.no_grad():
        assert fine(torch.zeros(1, 3, 30, 50)).shape == (1, 3, 30, 50)


def test_a_backbone_with_other_tensors_is_refused() -> None:
    blueprint = replace(model().blueprint, backbone="xception71")
    with pytest.raises(AtrousError, match=r"trained at 16 cannot be scored at 8.*xception65"):
        require_stride(blueprint, 8)
