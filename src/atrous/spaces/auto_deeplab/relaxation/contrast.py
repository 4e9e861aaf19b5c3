"""How a search through single paths learns which to take: by comparing two on the same crops.

The gradient of the softmax, which tells operations apart, cannot do it. On a single path each node
has one arrow into it, and batch norm takes the arrow's weight out again, so that the loss has no
slope along it but at the last layer. The loss itself differs between paths: with the paths a and b
drawn independently of each other, (loss a - loss b) / 2 times the gradient of (log p(a) - log p(b))
is on average the gradient of the expected loss (Williams 1992; Kool et al. 2019, two draws).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from atrous.relax.gates import Mixture, by_node, on_path
from atrous.spaces.auto_deeplab.trellis import Path


def along(mixture: Mixture, path: Path) -> Mixture:
    """The same operations on another path."""
    arrows_on = on_path(path)
    return replace(mixture, arrows=torch.tensor(arrows_on).to(mixture.arrows), arrows_on=arrows_on)


def contrast(logits: Tensor, layers: int, first: Mixture, second: Mixture, more: Tensor) -> Tensor:
    """A scalar whose gradient estimates that of the expected loss by the logits [arrows] from which
    the paths of two mixtures were drawn; `more` is how much higher the loss of the first is, a
    scalar without gradient."""
    logarithms = torch.cat([part.log_softmax(0) for part in by_node(logits, layers)])
    signs = torch.tensor(first.arrows_on).to(logits) - torch.tensor(second.arrows_on).to(logits)
    return more / 2 * (logarithms * signs).sum()
