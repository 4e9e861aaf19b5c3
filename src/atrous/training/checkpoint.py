"""The files of a training run: its state, in one safetensors file that is replaced whole
or not at all, and its log, JSON lines, and TensorBoard where it is asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from atrous.core.errors import AtrousError
from atrous.core.files import openable, whole
from atrous.core.records import RecordError, from_json, parse, read_lines, write_lines
from atrous.core.trial import Score

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

T = TypeVar("T")
FORMAT = "2"
LOG, BOARD = "log.jsonl", "tensorboard"


@dataclass(frozen=True)
class Checkpoint:
    """Named tensors, and a record in JSON's types; `path` is where they were read."""

    tensors: Mapping[str, Tensor]
    record: Mapping[str, Any]
    path: Path | None = None

    def under(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose name begins with `prefix.`, without it."""
        start = f"{prefix}."
        return {k.removeprefix(start): v for k, v in self.tensors.items() if k.startswith(start)}

    def told(self, kind: type[T], what: str, mend: str) -> T:
        """Returns its record as one of a type; raises `AtrousError` that names all errors."""
        try:
            return from_json(kind, self.record)
        except RecordError as error:
            place = f" in {self.path}" if self.path else ""
            raise AtrousError(f"Expected {what}{place}, but: {error}. {mend}") from error


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Writes the file; raises `AtrousError`, with the file before still whole, if it cannot be."""
    tensors = {name: tensor.contiguous() for name, tensor in checkpoint.tensors.items()}
    record = json.dumps(checkpoint.record)
    metadata = {"format": FORMAT, "record": record, "seal": _seal(tensors, record)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as partial:
            save_file(tensors, partial, metadata)
    except (OSError, SafetensorError) as error:
        kept = "What was written there before is whole" if path.exists() else "Nothing is there yet"
        raise AtrousError(
            f"Expected to write {path}, but {error}. {kept}. Make room on the disk, or allow "
            "writing, and go on with --resume."
        ) from error


def load(path: Path) -> Checkpoint:
    """Reads the file; raises `AtrousError` if it is absent, damaged or foreign."""
    try:
        with openable(path) as name, safe_open(name, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError(f"its format is {metadata.get('format')}, not {FORMAT}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata["seal"] != _seal(tensors, metadata["record"]):
            raise ValueError("its seal says that bits of it have changed since it was written")
        return Checkpoint(tensors, parse(metadata["record"]), path)
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise AtrousError(
            f"Expected a checkpoint of a training run at {path}, but {error}. Delete the file to "
            "train from the beginning, or restore it from a copy."
        ) from error


def _seal(tensors: Mapping[str, Tensor], record: str) -> str:
    """Returns the SHA-256 of a checkpoint's record and tensors: names, shapes, types and bytes."""
    summary = hashlib.sha256(record.encode())
    for name, tensor in sorted(tensors.items()):
        summary.update(f"\0{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        summary.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return summary.hexdigest()


def refill(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
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


class Log:
    """Lines of numbers by step, of which those after step `last` are forgotten at the start."""

    def __init__(self, folder: Path, last: int, tensorboard: bool) -> None:
        board = load_board() if tensorboard else None
        self._path = folder / LOG
        self._lines = [line for line in read_log(folder) if line.step <= last]
        self._board = board(str(folder / BOARD), purge_step=last + 1) if board else None
        self._write()

    def add(self, line: Score) -> None:
        """Adds a line, durably; raises `AtrousError` if it cannot be written."""
        self._lines.append(line)
        self._write()
        if self._board:
            for name, value in {"loss": line.loss, **line.values}.items():
                if value is not None:
                    self._board.add_scalar(name, value, line.step)
            self._board.flush()

    def _write(self) -> None:
        mend = "Make room on the disk, or allow writing, and go on with --resume."
        write_lines(self._path, self._lines, "the log of a training", mend)


def read_log(folder: Path) -> list[Score]:
    """Returns the lines so far; raises `AtrousError` for a line that is not one."""
    return read_lines(folder / LOG, Score, "a score of a training", "Delete the line.")


def load_board() -> type[SummaryWriter]:
    """TensorBoard's writer; raises `AtrousError` if TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise AtrousError(
            "--tensorboard needs the package tensorboard, which is not installed: "
            "pip install 'atrous[tensorboard]'."
        ) from error
    return SummaryWriter
