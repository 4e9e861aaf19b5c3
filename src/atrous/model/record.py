"""What a trained network is, apart from its tensors: the content of model.json."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from atrous.core.errors import AtrousError
from atrous.data.transform import Transform
from atrous.spaces.blueprint import Blueprint

LIBRARY, FORMAT = "atrous", 1


@dataclass(frozen=True)
class Record:
    """`training` is how the network was trained, in JSON's types; `software` the versions it was
    saved with; `weights` the seal of model.safetensors."""

    blueprint: Blueprint
    transform: Transform
    training: dict[str, Any]
    software: dict[str, str]
    weights: Seal

    def to_json(self) -> dict[str, Any]:
        """The record in JSON's types."""
        return {
            "library": LIBRARY,
            "format": FORMAT,
            "blueprint": self.blueprint.to_json(),
            "preprocessing": self.transform.to_json(),
            "training": self.training,
            "software": self.software,
            "weights": asdict(self.weights),
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Record:
        """The record from `to_json`; raises KeyError, TypeError, ValueError, AtrousError."""
        return cls(
            blueprint=_blueprint(fields["blueprint"]),
            transform=Transform.from_json(fields["preprocessing"]),
            training=_mapping(fields["training"], "training"),
            software={k: str(v) for k, v in _mapping(fields["software"], "software").items()},
            weights=Seal.from_json(fields["weights"]),
        )


def read_record(path: Path) -> Record:
    """The record in a file; raises AtrousError."""
    content = read_json(path)
    if not isinstance(content, dict) or content.get("library") != LIBRARY:
        raise AtrousError(
            f'Expected a model of this program in {path}, with "library": "{LIBRARY}" in it; this '
            "file was made by something else. Name a folder that atrous saved a model to."
        )
    if content.get("format") != FORMAT:
        raise AtrousError(
            f"{path} has format {content.get('format')!r}; this version of atrous reads format "
            f"{FORMAT}. Install the version that wrote it"
            f"{_writer(content.get('software'))}, or a newer one."
        )
    try:
        return Record.from_json(content)
    except KeyError as error:
        raise _damaged(path, f"the field {error} is missing") from error
    except (TypeError, ValueError, AtrousError) as error:
        raise _damaged(path, str(error)) from error


def read_json(path: Path) -> Any:
    """The content of a JSON file; raises AtrousError when it is absent or is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise AtrousError(
            f"Expected a model's folder at {path.parent}, but it holds no {path.name}. Name a "
            "folder that atrous saved a model to."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, f"cannot be read ({error})") from error


def to_text(content: Any) -> str:
    """JSON as it is written to files: numbers that JSON does not know become null."""
    return json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _blueprint(fields: Any) -> Blueprint:
    fields = _mapping(fields, "blueprint")
    architecture = fields["architecture"]
    if not isinstance(architecture, str) or architecture.endswith(".json"):
        raise ValueError(f"architecture is {architecture!r}, not a genotype")
    return Blueprint.from_json(fields)


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{name} is {value!r}, not an object")
    return value


def _writer(software: Any) -> str:
    version = software.get("atrous") if isinstance(software, dict) else None
    return f" (atrous {version})" if version else ""


def _damaged(path: Path, why: str) -> AtrousError:
    return AtrousError(f"{path} is damaged: {why}. Copy it again, or save the model again.")


PACKAGES = ("atrous", "torch", "timm", "numpy", "pillow", "safetensors")


def software() -> dict[str, str]:
    """What is installed, by package."""
    return {name: found for name in PACKAGES if (found := _version(name))}


def differences(saved: Mapping[str, str]) -> str:
    """What was saved with other versions than are installed, as a sentence, or ''."""
    changed = [
        f"{name} {saved[name]} (here {found})"
        for name, found in software().items()
        if name in saved and saved[name] != found
    ]
    return f" It was saved with {', '.join(changed)}." if changed else ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


CHUNK = 1 << 24
SHOWN = 3
"""How many names a message lists."""


@dataclass(frozen=True)
class Seal:
    """By which a file is known again: its size in bytes and its SHA-256."""

    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Seal:
        """The seal of a file; raises OSError."""
        summary, size = hashlib.sha256(), 0
        with path.open("rb") as file:
            while piece := file.read(CHUNK):
                summary.update(piece)
                size += len(piece)
        return cls(size, summary.hexdigest())

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Seal:
        """Raises KeyError, TypeError, ValueError."""
        return cls(int(fields["size"]), str(fields["sha256"]))

    def check(self, path: Path) -> None:
        """Raises AtrousError when the file is absent or is not the sealed one."""
        try:
            found = Seal.of(path)
        except OSError as error:
            raise AtrousError(
                f"Expected the weights at {path}, but {error}. Copy the model's folder again."
            ) from error
        if found.size < self.size:
            raise AtrousError(
                f"{path} is cut short: {found.size:,} bytes of {self.size:,}. Copy it again."
            )
        if found != self:
            raise AtrousError(
                f"{path} is not the file that was saved with its model.json: expected "
                f"{self.size:,} bytes with SHA-256 {self.sha256[:12]}..., got {found.size:,} with "
                f"{found.sha256[:12]}.... Copy both files again from one model's folder."
            )


def require_finite(tensors: Mapping[str, Tensor], where: str) -> None:
    """Raises AtrousError, beginning with `where`, if a tensor holds NaN or infinity."""
    infinite = [key for key, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]
    if infinite:
        raise AtrousError(
            f"{where}: expected finite numbers; {len(infinite)} of {len(tensors)} tensors hold NaN "
            f"or infinity ({_some(infinite)}). Use weights from before the training diverged."
        )


def write_tensors(network: nn.Module, path: Path) -> None:
    """Writes every parameter and buffer. Raises OSError."""
    state = {key: x.detach().cpu().contiguous() for key, x in network.state_dict().items()}
    path.touch()
    mode = path.stat().st_mode  # safetensors would let nobody else read the file
    try:
        save_file(state, path, metadata={"format": "pt"})
    except SafetensorError as error:  # a full disk, in this library's own type
        raise OSError(str(error)) from error
    path.chmod(mode)


def read_tensors(network: nn.Module, path: Path, advice: str) -> None:
    """Fills every parameter and buffer of `network` from a file.

    Raises AtrousError when the file is damaged, its tensors are not exactly the network's
    (`advice` is added to the message), or one is not finite.
    """
    try:
        state = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise AtrousError(
            f"{path}: expected a safetensors file; it cannot be read ({error}). Copy it again."
        ) from error
    problems = _problems(network.state_dict(), state)
    if problems:
        raise AtrousError(
            f"{path} holds the weights of another network than model.json describes: "
            f"{' and '.join(problems)}.{advice} Copy both files again from one model's folder."
        )
    require_finite(state, str(path))
    network.load_state_dict(state)


def _problems(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    missing = sorted(expected.keys() - found.keys())
    unknown = sorted(found.keys() - expected.keys())
    misshaped = [
        f"{key} (expected {list(expected[key].shape)}, got {list(found[key].shape)})"
        for key in sorted(expected.keys() & found.keys())
        if expected[key].shape != found[key].shape
    ]
    groups = (("missing", missing), ("unknown", unknown), ("of another shape", misshaped))
    return [f"{len(keys)} tensors are {what}: {_some(keys)}" for what, keys in groups if keys]


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more
