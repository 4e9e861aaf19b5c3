"""Runs an exported program in a process where this package and timm cannot be imported.

Started with this file's text and three arguments: the .pt2 file, a folder with inputs 0.npy,
1.npy, ..., and a folder for the outputs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

REFUSED = ("atrous", "timm")


class Refusal(MetaPathFinder):
    """Refuses to import what an exported program must not need."""

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raises ImportError for the refused packages; leaves all others to Python."""
        if name.partition(".")[0] in REFUSED:
            raise ImportError(f"the exported program needs {name}")
        return None


def main(program: str, inputs: Path, outputs: Path) -> None:
    """Runs the program on each input."""
    sys.meta_path.insert(0, Refusal())
    with Path(program).open("rb") as file:
        network = torch.export.load(file).module()
    for path in inputs.glob("*.npy"):
        with torch.inference_mode():
            found = network(torch.from_numpy(np.load(path)))
        np.save(outputs / path.name, found.numpy())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
