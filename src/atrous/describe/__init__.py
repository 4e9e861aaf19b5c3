"""An architecture in the terminal: what it computes, and what each part costs.

`DESCRIBERS` is the registry, by family of spaces; what is not in it is described by `plain`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from atrous.core.architecture import Architecture
from atrous.describe import auto_deeplab, dpc, plain
from atrous.describe.asked import Asked, Description

Describer = Callable[[Architecture, Asked], Description]

DESCRIBERS: Mapping[str, Describer] = {
    "dpc": dpc.describe,
    "auto_deeplab": auto_deeplab.describe,
}


def describe(architecture: Architecture, asked: Asked) -> Description:
    """The architecture with its cost on what is asked for. Raises `AtrousError`."""
    return DESCRIBERS.get(architecture.family, plain.describe)(architecture, asked)
