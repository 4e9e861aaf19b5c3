"""A model's two files that are read by programs: model.json, and the tensors that it seals."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from atrous.core.errors import AtrousError
from atrous.core.files import openable
from atrous.core.records import Count, read
from atrous.core.words import some
from atrous.data.transform import Transform
from atrous.model.facts import TrainingRecord
from atrous.spaces.blueprint import Blueprint

FORMAT = 1
PACKAGES = ("atrous", "torch", "timm", "numpy", "pillow", "safetensors")
CHUNK = 1 << 24


@dataclass(frozen=True)
class ModelRecord:
    """A trained network without its tensors: the content of model.json.

    `training` is how it was trained, in JSON's types; `software` the versions it was saved with;
    `weights` the seal of model.safetensors.
    """

    blueprint: Blueprint
    preprocessing: Transform
    training: TrainingRecord
    software: dict[str, str]
    weights: Seal
    library: Literal["atrous"] = "atrous"


def read_record(path: Path) -> ModelRecord:
    """Reads model.json; raises AtrousError."""
    absent = (
        f"Expected a model's folder at {path.parent}, but it holds no {path.name}. Name a folder "
        "that atrous saved a model to."
    )
    mend = "Copy it again, save the model again, or name a folder that atrous saved a model to."
    return read(path, ModelRecord, FORMAT, "the record of a model", absent, mend)


def installed() -> dict[str, str]:
    """Returns the versions that a network's numbers depend on, by package."""
    return {name: found for name in PACKAGES if (found := _version(name))}


def unlike_software(saved: Mapping[str, str]) -> str:
    """Says in a sentence what was saved with other versions than are installed, or ''."""
    changed = [
        f"{name} {saved[name]} (here {found})"
        for name, found in installed().items()
        if name in saved and saved[name] != found
    ]
    return f" It was saved with {', '.join(changed)}." if changed else ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


@dataclass(frozen=True)
class Seal:
    """A file's size in bytes and its SHA-256, by which it is known again."""

    size: Count
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Seal:
        """Seals a file; raises OSError."""
        summary, size = hashlib.sha256(), 0
        with path.open("rb") as file:
            while piece := file.read(CHUNK):
                summary.update(piece)
                size += len(piece)
        return cls(size, summary.hexdigest())

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


def require_finite_tensors(tensors: Mapping[str, Tensor], where: str) -> None:
    """Raises AtrousError, beginning with `where`, if a tensor holds NaN or infinity."""
    infinite = [key for key, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]
    if infinite:
        raise AtrousError(
            f"{where}: expected finite numbers; {len(infinite)} of {len(tensors)} tensors hold NaN "
            f"or infinity ({some(infinite)}). Use weights from before the training diverged."
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
        with openable(path) as name:
            state = load_file(name)
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
    require_finite_tensors(state, str(path))
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
    return [f"{len(keys)} tensors are {what}: {some(keys)}" for what, keys in groups if keys]
