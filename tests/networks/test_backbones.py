"""Backbones: geometry, cost, refusals, and the import of timm."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from atrous.core.errors import AtrousError
from atrous.networks.backbones import (
    KNOWN_GOOD,
    Backbone,
    _centres,
    backbone_cost,
    fitted_offsets,
    import_timm,
    load_backbone,
    outline,
)
from atrous.networks.network import Encoder
from tests.cases import each

SIZE = (65, 97)
FAMILIES = {
    "mobilenetv2_100": {2: 16, 4: 24, 8: 32, 16: 320},
    "tf_efficientnet_lite0": {2: 16, 4: 24, 8: 40, 16: 320},
    "resnet18": {2: 64, 4: 64, 8: 128, 16: 512},
    "xception41": {2: 128, 4: 256, 8: 728, 16: 2048},
    "convnext_atto": {4: 40, 8: 80, 16: 320},  # rounds sizes down by itself
    "mobilevitv2_050": {2: 32, 4: 64, 8: 128, 16: 256},  # needs multiples of 32
}


def features(backbone: Backbone, size: tuple[int, int] = SIZE) -> dict[int, torch.Tensor]:
    images = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found: dict[int, torch.Tensor] = backbone(images)
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_every_stride_has_its_map_of_the_promised_size(name: str) -> None:
    backbone = load_backbone(name, "none", 16)
    assert backbone.channels == FAMILIES[name]
    assert not backbone.training
    for size in (SIZE, (81, 65)):
        for stride, found in features(backbone, size).items():
            height, width = ((n - 1) // stride + 1 for n in size)
            assert found.shape == (1, FAMILIES[name][stride], height, width)


@pytest.mark.parametrize("name", FAMILIES)
def test_output_stride_8_keeps_the_deepest_map_at_stride_8(name: str) -> None:
    backbone = load_backbone(name, "none", 8)
    wide = FAMILIES[name]
    assert backbone.channels == {s: c for s, c in wide.items() if s < 8} | {8: wide[16]}
    assert features(backbone)[8].shape == (1, wide[16], 9, 13)


def test_the_deepest_map_is_the_last_of_its_stride() -> None:
    backbone = load_backbone("mobilenetv2_100", "none", 16)
    images = torch.randn(1, 3, *SIZE)
    with torch.no_grad():
        direct = backbone.network(images)
        found = backbone(images)
    assert [x.shape[1] for x in direct] == [16, 24, 32, 96, 320]
    assert torch.equal(found[16], direct[4])


@pytest.mark.parametrize("name", FAMILIES)
def test_a_cut_backbone_gives_the_same_maps_and_holds_no_more_than_they_need(name: str) -> None:
    backbone = load_backbone(name, "none", 16)
    images = torch.randn(1, 3, *SIZE, requires_grad=True)
    whole = backbone(images)
    backbone.cut({4, 8})
    found = backbone(images)
    assert max(found) == backbone.output_stride == 8
    assert backbone.canvas == 16
    assert backbone.channels == {s: c for s, c in FAMILIES[name].items() if s <= 8}
    assert all(torch.equal(each, whole[stride]) for stride, each in found.items())
    found[8].square().sum().backward()
    unused = [key for key, each in backbone.named_parameters() if each.grad is None]
    # Xception's maps are tapped inside a block, whose other branch stays.
    assert all(key.startswith("network.blocks_2.") for key in unused)


@pytest.mark.slow
@each("output_stride", [8, 16])
@each("name", KNOWN_GOOD)
def test_recommended_backbones_give_both_output_strides(name: str, output_stride: int) -> None:
    cost = backbone_cost(outline(name, output_stride), (33, 33))
    parameters, multiply_adds = cost.parameters, cost.multiply_adds
    assert parameters > 1_000_000
    assert multiply_adds > 1_000_000


def test_normalisation_is_the_one_the_weights_were_trained_with() -> None:
    mobile = load_backbone("mobilenetv2_100", "none", 16)
    lite = load_backbone("tf_efficientnet_lite0", "none", 16)
    assert mobile.mean == (0.485, 0.456, 0.406)
    assert mobile.std == (0.229, 0.224, 0.225)
    assert lite.mean == lite.std == (0.5, 0.5, 0.5)


def test_random_weights_follow_the_seed_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = load_backbone("test_resnet", "none", 16, seed=3)
    assert torch.equal(torch.rand(3), expected), "the global generator was disturbed"
    second = load_backbone("test_resnet", "none", 8, seed=3)
    other = load_backbone("test_resnet", "none", 16, seed=4)
    assert first.weights_digest == second.weights_digest
    assert first.weights_digest != other.weights_digest


@pytest.mark.parametrize(
    ("name", "billions"),
    [("mobilenetv2_100", 19.41), ("xception65", 375.75), ("xception71", 470.4)],
)
def test_multiply_adds_equal_the_published_count(name: str, billions: float) -> None:
    multiply_adds = backbone_cost(outline(name, 16), (1025, 2049)).multiply_adds
    assert multiply_adds / 1e9 == pytest.approx(billions, rel=0.001)


def test_parameters_are_counted_without_the_classifier() -> None:
    timm = import_timm()
    whole = sum(p.numel() for p in timm.create_model("mobilenetv2_100").parameters())
    head = 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    assert backbone_cost(outline("mobilenetv2_100", 16), (33, 33)).parameters == whole - head


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("vit_tiny_patch16_224", "output_stride"),
        ("vgg11", "AssertionError"),
        ("botnet26t_256", "65 x 97"),
    ],
)
def test_a_backbone_without_the_stride_is_refused_with_others_named(name: str, reason: str) -> None:
    with pytest.raises(AtrousError, match="cannot give output stride 16") as caught:
        load_backbone(name, "none", 16)
    assert reason in str(caught.value)
    assert "mobilenetv2_100" in str(caught.value)


@pytest.mark.parametrize("output_stride", [0, 4, 64])
def test_other_output_strides_are_refused(output_stride: int) -> None:
    with pytest.raises(AtrousError, match=f"8, 16 or 32; got {output_stride}"):
        load_backbone("resnet18", "none", output_stride)


def test_an_unknown_name_brings_close_ones() -> None:
    with pytest.raises(AtrousError, match="mobilenetv2_100"):
        load_backbone("mobilenet_v2_100", "none", 16)


def test_an_unknown_tag_brings_the_known_ones() -> None:
    with pytest.raises(AtrousError, match=r"mobilenetv2_100\.ra_in1k"):
        load_backbone("mobilenetv2_100.mine", "none", 16)


def run(code: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    """Runs code in a fresh interpreter, with `paths` searched for packages first."""
    lines = f"import sys\nsys.path[:0] = {[str(path) for path in paths]}\n{code}"
    return subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True)


def write_package(folder: Path, name: str, files: dict[str, str]) -> None:
    (folder / name).mkdir()
    for file, text in files.items():
        (folder / name / file).write_text(text)


def test_timm_is_imported_beside_a_torchvision_without_its_operators(tmp_path: Path) -> None:
    part = "import torch\n@torch.library.register_fake('torchvision::nms')\ndef nms(a, b, c): ...\n"
    write_package(tmp_path, "torchvision", {"__init__.py": "from . import part", "part.py": part})
    fails = "import sys\nif not hasattr(sys, 'paper'): raise RuntimeError('out of paper')\n"
    write_package(tmp_path, "timm", {"__init__.py": f"{fails}import torchvision"})
    code = "from atrous.networks.backbones import import_timm\n"
    code += "assert 'timm' not in sys.modules, 'imported before it is needed'\n"
    code += "try:\n    import_timm()\nexcept RuntimeError as any_other:\n    print(any_other)\n"
    code += "sys.paper = 'there'\n"
    code += "assert import_timm() is import_timm() is sys.modules['timm']\n"
    code += "print(sys.modules['timm'])"
    done = run(code, tmp_path)
    assert done.returncode == 0, done.stderr
    failure, found = done.stdout.splitlines()
    assert failure == "out of paper", "any other failure passes through"
    assert str(tmp_path) in found


def test_offsets_are_those_of_the_layers() -> None:
    backbone = load_backbone("test_resnet", "none", 16)
    found = fitted_offsets(backbone)
    # Its shortcuts take means of 2 x 2 positions: half a position to the right at each of strides
    # 4, 8 and 16, the last of which is dilated instead of halved. Weights are drawn by chance.
    assert found.keys() == backbone.channels.keys()
    for stride, expected in {4: 0, 8: 2, 16: 14}.items():
        assert abs(found[stride] - expected) <= stride / 8
        assert (2 * found[stride]).is_integer()


def test_weights_move_what_a_position_sees() -> None:
    backbone = load_backbone("test_resnet", "none", 16)
    before = _centres(backbone)
    with torch.no_grad():
        first = next(m for m in backbone.modules() if isinstance(m, torch.nn.Conv2d))
        last = first.kernel_size[0] - 1
        first.weight[..., :last, :] = 0
        first.weight[..., :, :last] = 0
    after = _centres(backbone)
    for stride, centre in before.items():
        assert after[stride] - centre == pytest.approx(last / 2, abs=0.5 + stride / 16)


@pytest.mark.parametrize("name", ["mobilenetv2_100", "mobilenetv3_small_050", "resnet18"])
def test_a_backbone_cut_in_two_gives_the_same_maps(name: str) -> None:
    backbone = load_backbone(name, "none", 16)
    images = torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    whole = features(backbone)
    for stride in backbone.channels:
        with torch.no_grad():
            begun = backbone.begin(images, stride)
            found = backbone.finish(begun, stride, SIZE)
        assert max(begun) == stride
        assert found.keys() == whole.keys()
        assert all(torch.equal(found[s], whole[s]) for s in whole)
        learnt = {
            id(p) for layer in backbone.chain(stride).front(stride) for p in layer.parameters()
        }
        (whole_again := backbone(images))[stride].sum().backward()
        assert whole_again.keys() == whole.keys()
        reached = {id(p) for p in backbone.parameters() if p.grad is not None}
        assert learnt == reached
        backbone.zero_grad(set_to_none=True)


def test_an_encoder_that_cannot_be_cut_says_so() -> None:
    own = Encoder()
    own.name = "that of an architecture"
    with pytest.raises(AtrousError, match=r"--frozen 3: resnet18 cannot be cut there .*maps at 2"):
        outline("resnet18", 16).chain(3)
    with pytest.raises(AtrousError, match=r"its layers are no chain"):
        own.chain(8)
