"""The log of a training run: JSON lines, and TensorBoard where it is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from atrous.core.errors import AtrousError
from atrous.core.files import write_whole

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LOG, BOARD = "log.jsonl", "tensorboard"


class Log:
    """Lines of numbers by step, of which those after step `last` are forgotten at the start."""

    def __init__(self, folder: Path, last: int, tensorboard: bool) -> None:
        board = load_board() if tensorboard else None
        self._path = folder / LOG
        self._lines = [line for line in read_log(folder) if line["step"] <= last]
        self._board = board(str(folder / BOARD), purge_step=last + 1) if board else None
        self._write()

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Adds a line, durably; raises `AtrousError` if it cannot be written."""
        self._lines.append({"step": step, **values})
        self._write()
        if self._board:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
            self._board.flush()

    def _write(self) -> None:
        try:
            write_whole(self._path, "".join(json.dumps(line) + "\n" for line in self._lines))
        except OSError as error:
            raise AtrousError(
                f"Expected to write {self._path}, but {error}. Make room on the disk, or allow "
                "writing, and go on with --resume."
            ) from error


def read_log(folder: Path) -> list[dict[str, float]]:
    """The lines so far; raises `AtrousError` for a line that is not one."""
    path = folder / LOG
    try:
        texts = path.read_bytes().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AtrousError(
            f"Expected to read the training log {path}, but {error}. Make it readable."
        ) from error
    lines: list[dict[str, float]] = []
    for number, text in enumerate(texts, 1):
        try:
            line = json.loads(text)
            lines.append({**line, "step": int(line["step"])})
        except (ValueError, TypeError, KeyError) as error:
            raise AtrousError(
                f"Expected a line of a training log in line {number} of {path}, but {error}. "
                "Delete the line."
            ) from error
    return lines


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
