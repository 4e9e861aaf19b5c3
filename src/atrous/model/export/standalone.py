"""The module that is exported: pixels in, the asked-for output out."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from atrous.model.export.interface import Interface, id_type
from atrous.networks.network import Network

IN_PLACE = (nn.ReLU, nn.Hardtanh, nn.LeakyReLU, nn.SiLU, nn.Hardswish, nn.Hardsigmoid)


class Standalone(nn.Module):
    """`Network.forward` between a normalisation and an output.

    The arithmetic is the network's own. Its sizes are written in such a way that they stay short
    as formulas of H and W: the canvas is k * `canvas` + 1 with a whole k, always padded and always
    cut, so that no condition on H and W enters the exported graph, and tracing takes seconds
    where it would take a minute. What it computes is compared with the network at each export.
    """

    def __init__(self, network: Network, interface: Interface) -> None:
        super().__init__()
        self.network = network
        self.interface = interface

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] -> [B, K, H, W], or [B, H, W] of ids."""
        if self.interface.normalise == "in":
            images = self.interface.normalised(images)
        canvas = self.network.backbone.canvas
        height, width = images.shape[-2:]
        rows, columns = (canvas_side(side, canvas) for side in (height, width))
        padded = functional.pad(images, (0, canvas - 1, 0, canvas - 1))
        scores = self.network.coarse(_corner(padded, rows, columns))
        scores = functional.interpolate(
            scores, size=(rows, columns), mode="bilinear", align_corners=True
        )
        return _corner(self._finish(scores), height, width)

    def _finish(self, scores: Tensor) -> Tensor:
        if self.interface.output == "ids":
            return scores.argmax(1).to(id_type(scores.shape[1]))
        return scores.softmax(1) if self.interface.output == "probabilities" else scores


def prepared(network: Network) -> Network:
    """A copy in evaluation mode on the CPU, ready to be traced."""
    copied = copy.deepcopy(network).cpu().eval().requires_grad_(False)
    keep_inputs(copied)
    return copied


def keep_inputs(module: nn.Module) -> None:
    """Activations inside no longer overwrite their inputs: torch would take those that do apart
    before it translates them, which takes as long again as all the rest."""
    for part in module.modules():
        if isinstance(part, IN_PLACE):
            part.inplace = False


def canvas_side(side: int, canvas: int) -> int:
    """The least k * canvas + 1 that is not below `side`."""
    return (side + canvas - 2) // canvas * canvas + 1


def _corner(maps: Tensor, height: int, width: int) -> Tensor:
    """The upper left corner of [..., H, W], copied: the memory layout of a view would become a
    condition on H and W."""
    return torch.narrow_copy(torch.narrow_copy(maps, -2, 0, height), -1, 0, width)
