"""Scheduled drop path (Zoph et al. 2018; Liu et al. 2019, section 4.2): whole operations of a cell
are left out at random in training, the more the deeper the layer and the longer the training."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    """In training, makes the maps of each image zero with a `probability`, and the others larger,
    so that the mean stays.

    `depth` in (0, 1] is the layer's share of the network's largest probability. A new one drops
    nothing until `set_drop_path` says so.
    """

    def __init__(self, depth: float) -> None:
        super().__init__()
        self.depth, self.probability = depth, 0.0

    def forward(self, maps: Tensor) -> Tensor:
        """[B, C, H, W] -> the same shape."""
        if not (self.training and self.probability):
            return maps
        keep = 1 - self.probability
        kept = torch.rand(len(maps), 1, 1, 1, device=maps.device) < keep
        return maps * (kept / keep).to(maps.dtype)


def set_drop_path(network: nn.Module, largest: float, progress: float) -> None:
    """Layer l of L drops with probability progress * (l + 1) / L * `largest`, as in the released
    network; `progress` is the share of the training that is over."""
    for module in network.modules():
        if isinstance(module, DropPath):
            module.probability = min(1.0, progress) * module.depth * largest
