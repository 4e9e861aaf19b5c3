"""Networks to export, and processes in which only one runtime can be imported."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from atrous.data.encoding import distinct
from atrous.model.export.interface import noise
from atrous.networks.network import Network
from atrous.spaces import find_architecture
from atrous.spaces.blueprint import Blueprint, build_network

CLASSES = ("sky", "road", "Straße", "car")
SMALL = "test_efficientnet"
"""A backbone of timm's own tests, with "same" padding."""

BLOCK = """
import sys
class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused!r}:
            raise ImportError("refused: " + name)
sys.meta_path.insert(0, Refusal())
import numpy as np
"""
RUN = """
for number in range({count}):
    np.save(f"found{{number}}.npy", run(np.load(f"{{number}}.npy")))
"""


def blueprint(
    architecture: str = "dpc-1:0.0",
    backbone: str = SMALL,
    decoder: bool = False,
    output_stride: int = 16,
) -> Blueprint:
    """A narrow network of four classes."""
    return Blueprint(
        architecture=find_architecture(architecture),
        backbone=backbone,
        output_stride=output_stride,
        filters=8,
        decoder=decoder,
        classes=CLASSES,
        colours=distinct(len(CLASSES)),
        offsets={4: 1.5, 8: -3.0, 16: 9.5},
    )


def network(made_of: Blueprint, weights: str = "none") -> Network:
    """In evaluation mode, with batch norms that are not those of a fresh network, and class scores
    of which each is the highest somewhere."""
    built = build_network(made_of, weights)
    generator = torch.Generator().manual_seed(0)
    for norm in (each for each in built.head.modules() if isinstance(each, nn.BatchNorm2d)):
        for values in (norm.weight, norm.running_var):
            assert values is not None
            values.data.mul_(0.5 + torch.rand(values.shape, generator=generator))
    assert built.logits.bias is not None
    built.logits.bias.data -= logits(built, noise(1, (65, 97)) / 127.5 - 1).mean((0, 2, 3))
    return built


def logits(of: Network, normalised: Tensor) -> Tensor:
    """As the network computes them by itself."""
    with torch.inference_mode():
        found: Tensor = of(normalised)
    return found


def alone(
    code: str, refused: tuple[str, ...], images: Sequence[npt.NDArray[Any]], folder: Path
) -> list[npt.NDArray[Any]]:
    """What the function `run` that `code` defines makes of each of the images, in a process that
    cannot import `refused`."""
    for number, each in enumerate(images):
        np.save(folder / f"{number}.npy", each)
    text = "\n".join((BLOCK.format(refused=refused), code, RUN.format(count=len(images))))
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [np.load(folder / f"found{number}.npy") for number in range(len(images))]
