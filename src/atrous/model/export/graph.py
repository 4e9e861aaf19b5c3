"""From a network to a graph of tensor operations, for any batch, height and width."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch.export import Dim, ExportedProgram

from atrous.core.errors import AtrousError
from atrous.model.export.interface import INPUT, Interface, noise
from atrous.model.export.standalone import Standalone
from atrous.networks.backbones import KNOWN_GOOD, import_timm
from atrous.networks.network import Network

TRACED_BATCH, TRACED_SIZE = 2, (70, 98)
"""What is traced: a batch of several images, of a size that is no canvas."""


def trace(network: Network, interface: Interface) -> ExportedProgram:
    """The network with its interface as one graph.

    Raises AtrousError for a backbone that computes with sizes in a way that cannot be traced.
    """
    images = interface.arranged(noise(TRACED_BATCH, TRACED_SIZE))
    shapes = {0: Dim("batch", min=1), 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    try:
        with _whole_number_padding():
            program = torch.export.export(
                Standalone(network, interface), (images,), dynamic_shapes={INPUT: shapes}
            )
    except Exception as error:  # torch.export has no error of its own
        raise AtrousError(
            f"The network cannot be exported for images of any size: {_first_line(error)}. The "
            f"backbone {network.backbone.name} is the likely cause; these export: "
            f"{', '.join(KNOWN_GOOD)}."
        ) from error
    _forget_source(program)
    return program


@contextmanager
def _whole_number_padding() -> Iterator[None]:
    """While tracing, timm's "same" padding counts in whole numbers.

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
    """How many zeros make a convolution give ceil(side / stride) positions."""
    positions = (side + stride - 1) // stride
    return max((positions - 1) * stride + (kernel - 1) * dilation + 1 - side, 0)


def _forget_source(program: ExportedProgram) -> None:
    """Drops the paths of source files on this machine, which no one else can use."""
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
