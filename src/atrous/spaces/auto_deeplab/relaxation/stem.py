"""The first convolutions of a relaxed network."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from atrous.spaces.auto_deeplab.relaxation.layers import Convolution
from atrous.spaces.auto_deeplab.trellis import stem_widths


class SearchStem(nn.Module):
    """Three 3x3 convolutions, of strides 2, 1 and 2, with ReLU between them, as in the decoded
    network; the paper has two layers while it searches."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        first, second, third = stem_widths(filters)
        self.first = Convolution(3, first, 3, stride=2)
        self.second = Convolution(first, second, 3)
        self.third = Convolution(second, third, 3, stride=2)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images [B, 3, H, W] -> maps at stride 2 and at stride 4, before any ReLU."""
        finer: Tensor = self.second(functional.relu(self.first(images)))
        return finer, self.third(functional.relu(finer))
