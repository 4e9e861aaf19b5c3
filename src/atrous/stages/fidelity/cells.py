"""The small space that is measured in full: every way to leave branches out of ASPP.

Chen et al. 2018, section 4.1, measure a space of 31 cells but do not list them. ASPP's five
branches have 31 non-empty subsets; which 31 the authors took is not known.
"""

from __future__ import annotations

from itertools import combinations
from random import Random

from atrous.core.architecture import Architecture
from atrous.core.errors import AtrousError
from atrous.spaces.dpc.space import ASPP, dpc, encode

NAMES = ("1x1", "r6", "r12", "r18", "pool")
"""ASPP's branches: a 1x1 convolution, a 3x3 at rates 6, 12 and 18, pooling over the whole map."""
WHOLE = "+".join(NAMES)
"""The name of ASPP itself."""


def all_cells() -> dict[str, Architecture]:
    """The 31 cells by name (`1x1+r6`), the smaller first; all branches read the feature map."""
    subsets = (s for size in range(1, len(ASPP) + 1) for s in combinations(range(len(ASPP)), size))
    return {"+".join(NAMES[k] for k in subset): _cell(subset) for subset in subsets}


def some_cells(count: int) -> dict[str, Architecture]:
    """`count` of the cells, ASPP among them, the others drawn by chance but always the same.

    Fewer cells are a part of more. Raises `AtrousError` for a count that there is not.
    """
    cells = all_cells()
    if not 3 <= count <= len(cells):
        raise AtrousError(f"--cells is from 3 to {len(cells)}, got {count}.")
    others = [name for name in cells if name != WHOLE]
    Random(0).shuffle(others)
    chosen = {WHOLE, *others[: count - 1]}
    return {name: cell for name, cell in cells.items() if name in chosen}


def _cell(subset: tuple[int, ...]) -> Architecture:
    space = dpc(len(subset))
    return space.architecture(space.canonical(encode(tuple(ASPP[k] for k in subset))))
