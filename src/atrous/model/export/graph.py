"""Tracing a network to a graph of tensor operations, for any batch, height and width."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.nn import functional

from atrous.core.errors import AtrousError, kind_and_line
from atrous.model.export.interface import INPUT, ExportInterface, id_type, noise
from atrous.networks.backbones import KNOWN_GOOD, import_timm
from atrous.networks.network import Network

TRACED_BATCH, TRACED_SIZE = 2, (70, 98)
"""The images that are traced: several in a batch, of a size that is no canvas."""
MOST_BESIDE = 2048
"""By so many pixels at most the images are larger for maps that are coarser than usual: a map of
one position would be taken for one of always one."""
IN_PLACE = (nn.ReLU, nn.Hardtanh, nn.LeakyReLU, nn.SiLU, nn.Hardswish, nn.Hardsigmoid)


def trace(network: Network, interface: ExportInterface) -> ExportedProgram:
    """Traces the network with its interface to one graph.

    Raises AtrousError for a backbone that computes with sizes in a way that cannot be traced.
    """
    beside = min(network.head.coarsest, MOST_BESIDE)
    size = (TRACED_SIZE[0] + beside, TRACED_SIZE[1] + beside)
    images = interface.arranged(noise(TRACED_BATCH, size))
    shapes = {0: Dim("batch", min=1), 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    try:
        with _whole_number_padding():
            program = torch.export.export(
                Standalone(network, interface), (images,), dynamic_shapes={INPUT: shapes}
            )
    except Exception as error:  # torch.export has no error of its own
        raise AtrousError(
            f"The network cannot be exported for images of any size: {kind_and_line(error)}. The "
            f"backbone {network.backbone.name} is the likely cause; these export: "
            f"{', '.join(KNOWN_GOOD)}."
        ) from error
    _forget_source(program)
    return program


@contextmanager
def _whole_number_padding() -> Iterator[None]:
    """Lets timm's "same" padding count in whole numbers while the block runs.

    timm divides as real numbers and rounds up, which torch cannot simplify: tracing takes ten
    times longer, and the graph gets conditions on H and W.
    """
    import_timm()
    padding: Any = import_module("timm.layers.padding")
    original = padding.get_same_padding
    padding.get_same_padding = same_padding
    try:
        yield
    finally:
        padding.get_same_padding = original


def same_padding(side: int, kernel: int, stride: int, dilation: int) -> int:
    """Counts the zeros that make a convolution give ceil(side / stride) positions."""
    positions = (side + stride - 1) // stride
    return max((positions - 1) * stride + (kernel - 1) * dilation + 1 - side, 0)


def _forget_source(program: ExportedProgram) -> None:
    """Drops the paths of source files on this machine, which no one else can use."""
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)


class Standalone(nn.Module):
    """`Network.forward` between a normalisation and an output.

    The arithmetic is the network's own. Its sizes are written in such a way that they stay short
    as formulas of H and W: the canvas is k * `canvas` + 1 with a whole k, always padded and always
    cut, so that no condition on H and W enters the exported graph, and tracing takes seconds
    where it would take a minute. What it computes is compared with the network at each export.
    """

    def __init__(self, network: Network, interface: ExportInterface) -> None:
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
        scores = self.network.coarse(_window(padded, 0, rows, columns))
        scores, first = self.network.enlarged(scores, (rows, columns))
        return _window(self._finish(scores), first, height, width)

    def _finish(self, scores: Tensor) -> Tensor:
        if self.interface.output == "ids":
            return scores.argmax(1).to(id_type(scores.shape[1]))
        return scores.softmax(1) if self.interface.output == "probabilities" else scores


def prepared(network: Network) -> Network:
    """Copies a network to the CPU in evaluation mode, ready to be traced."""
    copied = copy.deepcopy(network).cpu().eval().requires_grad_(False)
    keep_inputs(copied)
    return copied


def keep_inputs(module: nn.Module) -> None:
    """Stops activations from overwriting their inputs.

    torch would take those that do apart before it translates them, which takes as long again as
    all the rest.
    """
    for part in module.modules():
        if isinstance(part, IN_PLACE):
            part.inplace = False


def canvas_side(side: int, canvas: int) -> int:
    """Returns the least k * canvas + 1 that is not below `side`."""
    return (side + canvas - 2) // canvas * canvas + 1


def _window(maps: Tensor, first: int, height: int, width: int) -> Tensor:
    """Copies a part of [..., H, W] that begins at position `first` of both axes."""
    # The memory layout of a view would become a condition on H and W.
    return torch.narrow_copy(torch.narrow_copy(maps, -2, first, height), -1, first, width)
