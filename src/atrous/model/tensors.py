"""A network's tensors in a safetensors file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from atrous.core.errors import AtrousError

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
