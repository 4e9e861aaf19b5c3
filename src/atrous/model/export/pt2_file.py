"""Exported programs of torch (.pt2): written, and run where this package is absent."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch.export import ExportedProgram

from atrous.core.errors import AtrousError
from atrous.model.export.interface import Array

METADATA = "metadata.json"
"""The extra file in which a .pt2 file carries what it is."""


def require(opset: int | None) -> None:
    """Raises AtrousError for what makes no sense for this format."""
    if opset is not None:
        raise AtrousError("--opset belongs to --to onnx; a .pt2 file has none. Leave it out.")


def write(
    program: ExportedProgram, path: Path, metadata: Mapping[str, str], _opset: int | None
) -> None:
    """Writes the program with its metadata as the extra file `METADATA`; raises OSError."""
    text = json.dumps(dict(metadata), indent=2, ensure_ascii=False)
    # torch ends the process where a file cannot take all, and for a name that is not Unicode.
    content = BytesIO()
    torch.export.save(program, content, extra_files={METADATA: text})
    path.write_bytes(content.getbuffer())


def run(path: Path, inputs: Sequence[Array]) -> list[Array]:
    """Runs the file in a fresh process in which this package and timm cannot be imported.

    Raises AtrousError when it ends with an error.
    """
    reader = Path(__file__).with_name("pt2_reader.py").read_text(encoding="utf-8")
    with TemporaryDirectory() as name:
        given, found = Path(name, "inputs"), Path(name, "outputs")
        given.mkdir()
        found.mkdir()
        for number, images in enumerate(inputs):
            np.save(given / f"{number}.npy", images)
        command = [sys.executable, "-c", reader, str(path.resolve()), str(given), str(found)]
        done = subprocess.run(command, cwd=name, capture_output=True, text=True, errors="replace")
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            raise AtrousError(lines[-1] if lines else f"it ended with {done.returncode}")
        return [np.load(found / f"{number}.npy") for number in range(len(inputs))]
