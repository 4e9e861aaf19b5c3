"""The class scores of every position: the last layer of a segmenting network, and its loss."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from atrous.data.dataset import IGNORE
from atrous.networks.pyramid import Part, Pyramid


class Segmenter(nn.Module):
    """A part on cached maps, then a 1x1 convolution with bias: pyramid -> logits [B, K, H, W]."""

    def __init__(self, head: Part, classes: int) -> None:
        super().__init__()
        self.head = head
        self.stride = head.stride
        self.logits = class_scores(head.channels, classes)

    def forward(self, maps: Pyramid) -> Tensor:
        """Maps by stride -> [B, K, H, W] at the part's stride."""
        return cast(Tensor, self.logits(self.head(maps)))


def class_scores(channels: int, classes: int) -> nn.Conv2d:
    """The last layer, with first weights as in the reference implementation."""
    layer = nn.Conv2d(channels, classes, 1)
    nn.init.trunc_normal_(layer.weight, std=0.01, a=-0.02, b=0.02)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def summed_loss(scores: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """The cross-entropy of scores [B, K, H, W] at targets [B, H, W], summed over all that are not
    ignored, each with its class's weight."""
    return functional.cross_entropy(
        scores.float(), targets, weights, ignore_index=IGNORE, reduction="sum"
    )
