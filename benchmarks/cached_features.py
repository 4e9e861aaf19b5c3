"""Cached features against end-to-end training of the same cell, at equal steps.

    python -m benchmarks.cached_features [--steps 10] [--image 353x465] [--filters 64]

Random images and weights: only time is measured. End to end, the backbone runs and learns at every
step; cached, its features are read from memory and the cell alone learns.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.data.canvas import feature_size, parse_size
from atrous.estimation.learning import tail
from atrous.networks.backbones import Backbone, load_backbone
from atrous.networks.network import Tail
from atrous.networks.pyramid import Pyramid
from atrous.spaces.dpc.space import TOP1, build, encode

CLASSES, BATCH, STRIDE = 11, 8, 16


def main() -> None:
    """Prints both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--image", default="353x465")
    parser.add_argument("--filters", type=int, default=64)
    asked = parser.parse_args()
    size = parse_size(asked.image)
    backbone = load_backbone("mobilenetv2_100", "none", STRIDE)
    channels = backbone.channels[STRIDE]
    cell = tail(build(encode(TOP1), {STRIDE: channels}, asked.filters), CLASSES)
    images = torch.randn(BATCH, 3, *size).contiguous(memory_format=torch.channels_last)
    features = torch.randn(BATCH, channels, *feature_size(size, STRIDE))
    features = features.contiguous(memory_format=torch.channels_last)
    whole = _EndToEnd(backbone, cell)
    for network in (cell, whole):
        network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    cached = [_step(cell, {STRIDE: features}) for _ in range(asked.steps)]
    joint = [_step(whole, images) for _ in range(asked.steps)]
    for name, times in (("cached", cached), ("end to end", joint)):
        low, high = min(times), max(times)
        print(f"{name:10}  {1e3 * median(times):7.0f} ms a step ({1e3 * low:.0f}-{1e3 * high:.0f})")
    print(f"ratio {median(joint) / median(cached):.1f}, {torch.get_num_threads()} threads, float32")


class _EndToEnd(nn.Module):
    def __init__(self, backbone: Backbone, cell: Tail) -> None:
        super().__init__()
        self.backbone, self.cell = backbone, cell

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.cell(self.backbone(images))
        return logits


def _step(network: nn.Module, inputs: Tensor | Pyramid) -> float:
    start = time.perf_counter()
    network.zero_grad()
    logits = network(inputs)
    labels = torch.zeros(logits.shape[0], *logits.shape[2:], dtype=torch.long)
    functional.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
