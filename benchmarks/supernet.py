"""A step of the relaxed network beside plain nested loops of equal size: time, and memory.

    python -m benchmarks.supernet [--device cuda] [--layers 12] [--filters 8] [--crop 321] ...

Random images and weights. A step is forward, cross-entropy and backward, for all parameters. Steps
are timed in turns, every second round backwards. Memory: on a GPU, the most that a step allocates
on top of what it finds; on a CPU, what autograd keeps of the forward pass, and by how much the
process grows in a step, each measured in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from tests.spaces.auto_deeplab.relaxation.nested import Nested
from torch import Tensor, nn
from torch.nn import functional

from atrous.networks.compute import Kept
from atrous.relax.config import EPOCHS
from atrous.relax.gates import GATES
from atrous.spaces.auto_deeplab.relaxation.supernet import Supernet, SupernetSize

PLAIN = "nested loops"
WAYS = {
    PLAIN: ("softmax", False),
    "softmax": ("softmax", False),
    "softmax, checkpointing": ("softmax", True),
    "gdas": ("gdas", False),
    "gdas, checkpointing": ("gdas", True),
}
"""Gate and checkpointing."""
PAPER, LAPTOP = (12, 8, 321), (4, 8, 161)
"""Layers, filters and crop on a GPU, as published, and on a CPU."""
PUBLISHED_IMAGES = 2975
"""Those that Cityscapes has to train on."""
SMALL_CROP = 33
"""Of a step before memory is measured, in which all is loaded that a step needs."""


@dataclass(frozen=True)
class Setting:
    """What is computed, and where."""

    size: SupernetSize
    crop: int
    batch: int
    device: str
    precision: str
    layout: str


class Step:
    """A training step of one way."""

    def __init__(self, way: str, setting: Setting) -> None:
        self.setting, (self.gate, checkpointing) = setting, WAYS[way]
        torch.manual_seed(0)
        relaxed = Supernet(setting.size, checkpointing).to(setting.device)
        self.relaxed = relaxed
        plain = way == PLAIN
        self.network: nn.Module = Nested(setting.size).to(setting.device) if plain else relaxed
        self.layout = getattr(torch, setting.layout if plain else "channels_last")
        self.network.to(memory_format=self.layout)  # type: ignore[call-overload]
        self.generator = torch.Generator().manual_seed(0)
        self.take(setting.crop)

    def take(self, crop: int) -> None:
        """Images of crop x crop pixels from now on."""
        shape, device = (self.setting.batch, 3, crop, crop), self.setting.device
        self.images = torch.randn(shape, device=device).contiguous(memory_format=self.layout)
        self.labels = torch.zeros(shape[0], *shape[2:], dtype=torch.long, device=device)

    def forward(self) -> Tensor:
        """The loss."""
        gate = GATES[self.gate]
        with torch.autocast(
            self.setting.device.partition(":")[0],
            torch.bfloat16,
            self.setting.precision == "bfloat16",
        ):
            choices = gate(self.relaxed.groups(), gate.temperature(0.0), self.generator)
            mixture = self.relaxed.mixture(choices)
            logits = self.network(self.images, mixture)
        return functional.cross_entropy(logits.float(), self.labels)

    def __call__(self) -> float:
        """Seconds of a step."""
        self.network.zero_grad()
        start = _now(self.setting.device)
        self.forward().backward()  # type: ignore[no-untyped-call]
        return _now(self.setting.device) - start


def main() -> None:
    """Prints a row for each way."""
    asked = _parser().parse_args()
    layers, filters, crop = PAPER if asked.device.startswith("cuda") else LAPTOP
    setting = Setting(
        SupernetSize(asked.layers or layers, asked.blocks, asked.filters or filters, asked.classes),
        asked.crop or crop,
        asked.batch,
        asked.device,
        asked.precision,
        asked.layout,
    )
    torch.set_num_threads(asked.threads)
    if asked.alone:
        print(json.dumps(_memory(asked.alone, setting)))
        return
    print(f"{setting.size}, crop {setting.crop}, batch {setting.batch}, {setting.precision}")
    print(_where(setting.device))
    times = _times(setting, asked.rounds)
    _print(times, {way: _memory_alone(way) for way in WAYS})
    for way, seconds in times.items():
        hours = _published_steps(WAYS[way][0], setting.batch) * median(seconds) / 3600
        print(f"{way:24} {hours:6.1f} hours for the published passes (72 at the published size)")


def _published_steps(gate: str, batch: int) -> float:
    """Steps of 40 passes over a half of 2,975 images (Liu et al. 2019, section 4.1), those of the
    architecture after the gate's warm-up among them. Optimisers and the forward pass in which gdas
    compares two paths are not in a step."""
    return (2 - GATES[gate].learning.warm_up) * EPOCHS * PUBLISHED_IMAGES / 2 / batch


def _times(setting: Setting, rounds: int) -> dict[str, list[float]]:
    """Seconds of the steps of each way, after one that does not count."""
    steps = {way: Step(way, setting) for way in WAYS}
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(rounds + 1):
        for way in list(WAYS)[:: -1 if number % 2 else 1]:
            seconds = steps[way]()
            if number:
                times[way].append(seconds)
    return times


def _memory(way: str, setting: Setting) -> dict[str, float]:
    """MiB that a step of this way needs, by what is measured."""
    step = Step(way, setting)
    step.take(SMALL_CROP)
    step()
    step.network.zero_grad()
    step.take(setting.crop)
    if setting.device.startswith("cuda"):
        held = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        return {"allocated": (torch.cuda.max_memory_allocated() - held) / 2**20}
    before = _status("VmRSS")
    step()
    grown = _status("VmHWM") - before
    with Kept(step.network.parameters()) as kept:
        step.forward()
    return {"kept": kept.bytes / 2**20, "process": grown}


def _memory_alone(way: str) -> dict[str, float]:
    """The same, in a process of its own with the arguments of this one."""
    command = [sys.executable, "-m", "benchmarks.supernet", *sys.argv[1:], "--alone", way]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(printed)
    return found


def _print(times: Mapping[str, list[float]], memory: Mapping[str, Mapping[str, float]]) -> None:
    """Each way, with how many times less than nested loops it takes."""
    kinds = list(memory[PLAIN])
    print(f"{'':24}{'ms a step (min-max)':>26} {'less':>6}", *(f"{k + ' MiB':>16}" for k in kinds))
    for way, seconds in times.items():
        middle = median(seconds)
        spread = f"{1e3 * middle:.0f} ({1e3 * min(seconds):.0f}-{1e3 * max(seconds):.0f})"
        cells = [
            f"{memory[way][kind]:9.0f} {memory[PLAIN][kind] / max(memory[way][kind], 1):6.1f}"
            for kind in kinds
        ]
        print(f"{way:24}{spread:>26} {median(times[PLAIN]) / middle:6.1f}", *cells)


def _now(device: str) -> float:
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter()


def _status(field: str) -> float:
    """MiB that this process holds (VmRSS), or has held at most (VmHWM), on Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 2**10


def _where(device: str) -> str:
    if device.startswith("cuda"):
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    return f"{torch.get_num_threads()} threads, torch {torch.__version__}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    for name in ("layers", "filters", "crop"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--classes", type=int, default=19)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument(
        "--layout",
        choices=["channels_last", "contiguous_format"],
        default="channels_last",
        help="of nested loops; the relaxed network has channels last",
    )
    parser.add_argument("--alone", choices=list(WAYS), help="print the memory of one way alone")
    return parser


if __name__ == "__main__":
    main()
