"""What may be built: one file per space. `SPACES` is the registry."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from atrous.core.errors import AtrousError
from atrous.spaces.auto_deeplab.space import auto_deeplab
from atrous.spaces.dpc.space import dpc
from atrous.spaces.space import Space

SPACES: Mapping[str, Callable[[], Space]] = {"dpc": dpc, "auto_deeplab": auto_deeplab}

SIZED: Mapping[str, Callable[..., Space]] = {
    r"dpc-([1-9]\d?)": dpc,
    r"auto_deeplab-([1-9]\d?)(?:x([1-9]))?": auto_deeplab,
}
"""The spaces of other sizes, by names that say the sizes."""


def find_space(name: str) -> Space:
    """The space of this name; `dpc-B` is the space of cells with B branches, `auto_deeplab-L` that
    of networks with L layers, `auto_deeplab-LxB` with B blocks in their cell."""
    if name in SPACES:
        return SPACES[name]()
    for pattern, make in SIZED.items():
        if match := re.fullmatch(pattern, name):
            return make(*(int(number) for number in match.groups() if number))
    raise AtrousError(
        f"Expected the name of a space, got {name!r}. There are: {', '.join(SPACES)}; others say "
        "their size, such as dpc-3 (3 branches), auto_deeplab-8 (8 layers), auto_deeplab-8x3 (and "
        "cells of 3 blocks)."
    )
