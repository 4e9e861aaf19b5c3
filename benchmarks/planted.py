"""What each gate finds where the right answer is known: two problems, several seeds.

    python -m benchmarks.planted [--seeds 3] [--gates softmax,gdas,fbnet]

First every path of the trellis is trained alone, with skips where single squares count and averages
where a majority does, which says how good each is; then each gate searches paths and operations.
"""

from __future__ import annotations

import argparse
from statistics import mean

import torch
from tests.spaces.auto_deeplab.relaxation.networks import all_paths
from tests.spaces.auto_deeplab.relaxation.planted import (
    CLASSES,
    LAYERS,
    beta_of,
    operations_of,
    path_of,
    problem,
    searched,
)
from torch.nn import functional

from atrous.spaces.auto_deeplab.cell import Block, Edge, Operation
from atrous.spaces.auto_deeplab.relaxation.decoding import decode_path, outgoing, rows
from atrous.spaces.auto_deeplab.relaxation.mixture import one_hot
from atrous.spaces.auto_deeplab.relaxation.supernet import Supernet, SupernetSize
from atrous.spaces.auto_deeplab.trellis import STRIDES, Path

ALONE = {"fine": Operation.SKIP, "coarse": Operation.AVERAGE}
"""What the cell does where a path is trained alone."""
SINGLE_STEPS, SCORED = 120, 10


def main() -> None:
    """Prints a line for each path, then one for each search."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--gates", default="softmax,gdas,fbnet")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for kind in ALONE:
        for path in all_paths(LAYERS):
            losses = [_loss_alone(path, kind, seed) for seed in range(2)]
            each = ", ".join(f"{loss:.3f}" for loss in losses)
            print(f"{kind:7} {_strides(path):8} alone  {mean(losses):.3f} ({each})", flush=True)
    for gate in asked.gates.split(","):
        for kind in ALONE:
            for seed in range(asked.seeds):
                print(f"{kind:7} {gate:8} seed {seed}  {_found(gate, kind, seed)}", flush=True)


def _loss_alone(path: Path, kind: str, seed: int) -> float:
    """Cross-entropy on new images after a short training."""
    torch.manual_seed(seed)
    draw = torch.Generator().manual_seed(seed)
    size = SupernetSize(LAYERS, 1, 2, CLASSES)
    network = Supernet(size)
    cell = (Block(Edge(0, ALONE[kind]), Edge(1, ALONE[kind])),)
    mixture = one_hot(path, cell)
    optimiser = torch.optim.SGD(network.weights(), 0.05, 0.9)
    for step in range(SINGLE_STEPS):
        for group in optimiser.param_groups:
            group["lr"] = 0.05 * (1 - step / SINGLE_STEPS)
        images, labels = problem(kind, draw)
        optimiser.zero_grad()
        loss = functional.cross_entropy(network((images - 127.5) / 127.5, mixture), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    with torch.no_grad():
        batches = [problem(kind, draw) for _ in range(SCORED)]
        scores = [network((images - 127.5) / 127.5, mixture) for images, _ in batches]
        losses = [
            float(functional.cross_entropy(score, labels))
            for score, (_, labels) in zip(scores, batches, strict=True)
        ]
    return mean(losses)


def _found(gate: str, kind: str, seed: int) -> str:
    """Strides as decoded with `--neutral` and without, operations, and the arrows' shares."""
    state = searched(gate, kind, seed)
    chosen = " and ".join(map(str, operations_of(state)))
    by_node = rows(outgoing(beta_of(state)))
    shares = "  ".join("/".join(f"{p:.2f}" for p in row) for row in by_node)
    plain = _strides(decode_path(beta_of(state)))
    return f"{_strides(path_of(state)):8} {plain:8} {chosen:28} {shares}"


def _strides(path: Path) -> str:
    return " ".join(str(STRIDES[level]) for level in path)


if __name__ == "__main__":
    main()
