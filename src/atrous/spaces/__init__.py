"""What may be built: one file per space. `SPACES` is the registry."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from atrous.errors import AtrousError
from atrous.spaces.dpc import dpc
from atrous.spaces.space import Space

SPACES: Mapping[str, Callable[[], Space]] = {"dpc": dpc}


def find_space(name: str) -> Space:
    """The space of this name; `dpc-B` is the space of cells with B branches."""
    if name in SPACES:
        return SPACES[name]()
    if match := re.fullmatch(r"dpc-([1-9]\d?)", name):
        return dpc(int(match[1]))
    raise AtrousError(
        f"Expected the name of a space, got {name!r}. There are: {', '.join(SPACES)}, and dpc-B "
        "for cells with B branches, such as dpc-3."
    )
