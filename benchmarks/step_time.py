"""The proxy's step time beside the bound set by this machine's own matrix-product rate.

    python -m benchmarks.step_time [--threads 1] [--crop 353x465] [--batch 8] [--plain]

The bound is the time the step's multiply-adds (forward, and both gradients where they are needed)
take at the best rate of a matrix product of the step's own shapes, measured in the same minute with
the same threads and number type.
"""

from __future__ import annotations

import argparse
import time
from math import prod

import torch
from torch import Tensor

from atrous.data.canvas import feature_size, parse_size
from atrous.estimation.tune import LAYOUTS, PRECISIONS, Workload, step_seconds
from atrous.networks import layers as ops
from atrous.networks.compute import Compute
from atrous.spaces import find_architecture
from atrous.spaces.dpc.space import TOP1, cell_cost

REPEATS = 5
CLASSES, STRIDE = 11, 16


def main() -> None:
    """Prints a row for each width, number type and layout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--crop", default="353x465")
    parser.add_argument("--channels", type=int, default=320)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--plain", action="store_true", help="torch's own layers, for comparison")
    asked = parser.parse_args()
    if asked.plain:
        setattr(ops, "_is_plain", lambda _: True)  # noqa: B010
    torch.set_num_threads(asked.threads)
    print(f"{asked.threads} threads, batch {asked.batch}, {asked.crop}, {asked.channels} channels")
    print("filters  type      layout         step ms (min-max)   bound ms   of bound")
    for filters in (64, 256):
        channels, crop = {STRIDE: asked.channels}, parse_size(asked.crop)
        load = Workload(
            find_architecture("dpc:top1"), channels, crop, filters, CLASSES, asked.batch
        )
        operations = step_operations(load)
        for precision in PRECISIONS:
            for layout in LAYOUTS:
                compute = Compute("cpu", precision, layout, asked.threads)
                rate = product_rate(load, compute.dtype)
                times = sorted(step_seconds(load, compute) for _ in range(REPEATS))
                bound, middle = operations / rate, times[REPEATS // 2]
                print(
                    f"{filters:7}  {precision:8}  {layout:13}  {1e3 * middle:6.0f} "
                    f"({1e3 * times[0]:.0f}-{1e3 * times[-1]:.0f})"
                    f"{1e3 * bound:14.0f}   {bound / middle:8.0%}"
                )


def step_operations(load: Workload) -> float:
    """Floating-point operations of a training step's convolutions.

    Each takes its multiply-adds three times: forward, for the weights' gradient, and for its
    input's, which the depthwise convolution that reads the frozen features does not need.
    """
    size = feature_size(load.crop, STRIDE)
    cost = cell_cost(TOP1, load.channels[STRIDE], load.filters, size)
    positions = prod(size)
    once = cost.branches_alone.multiply_adds + cost.projection.multiply_adds
    once += load.filters * load.classes * positions
    unneeded = 9 * load.channels[STRIDE] * positions
    return 2.0 * load.batch * (3 * once - unneeded)


def product_rate(load: Workload, dtype: torch.dtype) -> float:
    """Operations a second of the fastest matrix product of the step's shapes."""
    positions = load.batch * prod(feature_size(load.crop, STRIDE))
    inner = (load.channels[STRIDE], load.filters, 5 * load.filters)
    return max(_rate(positions, size, load.filters, dtype) for size in inner)


def _rate(rows: int, inner: int, columns: int, dtype: torch.dtype) -> float:
    left, right = torch.randn(rows, inner).to(dtype), torch.randn(inner, columns).to(dtype)
    best = min(_seconds(left, right) for _ in range(20))
    return 2 * rows * inner * columns / best


def _seconds(left: Tensor, right: Tensor) -> float:
    start = time.perf_counter()
    left @ right
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
