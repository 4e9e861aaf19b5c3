"""A training run's state in one safetensors file, replaced whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from atrous.core.errors import AtrousError
from atrous.core.files import whole

FORMAT = "1"


@dataclass(frozen=True)
class Checkpoint:
    """Named tensors, and a record in JSON's types."""

    tensors: Mapping[str, Tensor]
    record: Mapping[str, Any]

    def under(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose name begins with `prefix.`, without it."""
        start = f"{prefix}."
        return {k.removeprefix(start): v for k, v in self.tensors.items() if k.startswith(start)}


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Writes the file; raises `AtrousError`, with the file before still whole, if it cannot be."""
    tensors = {name: tensor.contiguous() for name, tensor in checkpoint.tensors.items()}
    metadata = {"format": FORMAT, "record": json.dumps(checkpoint.record)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as partial:
            save_file(tensors, partial, metadata)
            # A machine that stops may otherwise keep the name and lose the content.
            with partial.open("rb") as file:
                os.fsync(file.fileno())
    except (OSError, SafetensorError) as error:
        kept = "What was written there before is whole" if path.exists() else "Nothing is there yet"
        raise AtrousError(
            f"Expected to write {path}, but {error}. {kept}. Make room on the disk, or allow "
            "writing, and go on with --resume."
        ) from error


def load(path: Path) -> Checkpoint:
    """Reads the file; raises `AtrousError` if it is absent, damaged or foreign."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError(f"its format is {metadata.get('format')}, not {FORMAT}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return Checkpoint(tensors, json.loads(metadata["record"]))
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise AtrousError(
            f"Expected a checkpoint of a training run at {path}, but {error}. Delete the file to "
            "train from the beginning, or restore it from a copy."
        ) from error


def fill(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copies a checkpoint's tensors into a network; raises `AtrousError` if they do not fit."""
    own = network.state_dict()
    unfit = own.keys() ^ tensors.keys() | {
        name for name in own.keys() & tensors.keys() if own[name].shape != tensors[name].shape
    }
    if unfit:
        raise AtrousError(
            f"Expected a checkpoint of this network, but {len(unfit)} of its {len(own)} tensors "
            f"are missing, of another shape or not its own, such as {min(unfit)}. Delete the "
            "checkpoint to train from the beginning, or restore the right one."
        )
    network.load_state_dict(tensors)
