"""A head with the layer that turns its output into class scores."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn


class Segmenter(nn.Module):
    """A head, then a 1x1 convolution with bias: [B, C, H, W] -> logits [B, K, H, W]."""

    def __init__(self, head: nn.Module, filters: int, classes: int) -> None:
        super().__init__()
        self.head = head
        self.logits = class_scores(filters, classes)

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, K, H, W]."""
        return cast(Tensor, self.logits(self.head(features)))


def class_scores(filters: int, classes: int) -> nn.Conv2d:
    """The last layer, with first weights as in the reference implementation."""
    layer = nn.Conv2d(filters, classes, 1)
    nn.init.trunc_normal_(layer.weight, std=0.01, a=-0.02, b=0.02)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
