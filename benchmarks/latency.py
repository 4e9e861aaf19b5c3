"""How far two timings of an untrained network agree, and what its multiply-adds tell of them.

    python -m benchmarks.latency [--count 20] [--spaces dpc,fast_dense] [--size 361x481]

Random architectures of each space, on a backbone with random weights, on one thread: as a search
with a limit on latency times them, each with other weights the second time.
"""

from __future__ import annotations

import argparse
from random import Random
from statistics import median

from atrous.core.statistics import correlate
from atrous.data.canvas import Size, parse_size
from atrous.data.encoding import distinct
from atrous.estimation.prices import timed
from atrous.model.latency.conditions import make_conditions
from atrous.spaces import find_space
from atrous.spaces.blueprint import Blueprint, build_network, network_cost

CLASSES = 11


def main() -> None:
    """Prints a line for each space."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--spaces", default="dpc,fast_dense")
    parser.add_argument("--size", type=parse_size, default="361x481")
    parser.add_argument("--backbone", default="mobilenetv2_100")
    asked = parser.parse_args()
    for name in asked.spaces.split(","):
        print(measured(name, asked.count, asked.size, asked.backbone), flush=True)


def measured(name: str, count: int, size: Size, backbone: str) -> str:
    """Times random architectures of a space twice, and tells how far both agree."""
    space, rng = find_space(name), Random(0)
    conditions = make_conditions(size, device="cpu", threads=1)
    names, colours = tuple(map(str, range(CLASSES))), distinct(CLASSES)
    first, second, adds = [], [], []
    for _ in range(count):
        architecture = space.architecture(space.sample(rng))
        blueprint = Blueprint(architecture, backbone, 16, 64, False, names, colours)
        one, other = (build_network(blueprint, seed=seed) for seed in (0, 1))
        first.append(timed(one, conditions, "pytorch")[1])
        second.append(timed(other, conditions, "pytorch")[1])
        adds.append(float(network_cost(blueprint, size).multiply_adds))
    apart = [abs(a - b) / min(a, b) for a, b in zip(first, second, strict=True)]
    return (
        f"{name}: {min(first):.0f} to {max(first):.0f} ms; two timings are {median(apart):.1%} "
        f"apart at the median, {max(apart):.1%} at most; Spearman "
        f"{correlate(first, second).spearman.value:.3f} between them, "
        f"{correlate(first, adds).spearman.value:.3f} with multiply-adds"
    )


if __name__ == "__main__":
    main()
