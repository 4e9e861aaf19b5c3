"""A whole trial at the paper's size on a GPU: 30,000 steps, 49 x 49 x 320, batch 8, 256 filters.

    python -m benchmarks.gpu_trial [--steps 30000] [--device cuda]

The paper gives 90 minutes on one P100 for a trial. Random features: only time is measured. A second
figure is that of steps with whatever engine cuDNN likes best, deterministic or not: if it is far
smaller, what makes trials repeatable costs too much.
"""

from __future__ import annotations

import argparse
import time

import torch

from atrous.estimation.learning import Geometry, make_step, tail
from atrous.networks.compute import Compute
from atrous.networks.layers import interpolation
from atrous.spaces.dpc.cell import Cell
from atrous.spaces.dpc.space import ASPP, TOP1, build, encode
from atrous.tasks.segmentation import SEGMENTATION
from atrous.training.optimiser import Schedule, make_optimiser, set_norm_decay

SIDE, CHANNELS, FILTERS, BATCH, CLASSES = 49, 320, 256, 8, 19
IMAGES, REPORTS = 64, 10


def main() -> None:
    """Prints seconds a trial and milliseconds a step for the published best cell and ASPP."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=30_000)
    parser.add_argument("--device", default="cuda")
    asked = parser.parse_args()
    if asked.device.startswith("cuda"):
        print(torch.cuda.get_device_name(asked.device))
    compute = Compute(asked.device, "bfloat16", "channels_last", 1)
    for name, cell in (("dpc:top1", TOP1), ("dpc:aspp", ASPP)):
        seconds = trial(f"  {name}", cell, compute, asked.steps, deterministic=True)
        few = max(1, asked.steps // REPORTS)
        free = trial(f"  {name}, any engine", cell, compute, few, deterministic=False)
        told = (
            f"{1e3 * seconds / asked.steps:.2f} ms a step, {1e3 * free / few:.2f} with any engine"
        )
        print(f"{name}: {seconds:.1f} s, {told}", flush=True)


def trial(label: str, cell: Cell, compute: Compute, steps: int, deterministic: bool) -> float:
    """Returns the seconds of `steps` training steps on random features."""
    device = compute.device
    lines = interpolation(torch.arange(4 * (SIDE - 1) + 1, device=device) / 4, SIDE)
    shape = (IMAGES, SIDE, SIDE, CHANNELS)
    features = torch.randn(shape, device=device, dtype=torch.float16).permute(0, 3, 1, 2)
    targets = torch.randint(CLASSES, (IMAGES, len(lines), len(lines)), device=device)
    network = tail(build(encode(cell), {16: CHANNELS}, FILTERS), CLASSES).train()
    compute.arrange(network)
    torch.backends.cudnn.deterministic = deterministic
    set_norm_decay(network, 0.0003)
    optimiser = make_optimiser(network, Schedule(BATCH, 0.01, 4e-5))
    step = make_step(network, Geometry(lines, lines, SEGMENTATION.lesson()), optimiser, compute)
    start = time.perf_counter()
    for number in range(steps):
        index = torch.randint(IMAGES, (BATCH,), device=device)
        loss = step({16: compute.place(features[index])}, targets[index], 0.01)
        if number % max(1, steps // REPORTS) == 0:
            print(f"{label}: step {number}, loss {float(loss):.3f}", flush=True)
    float(loss)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
