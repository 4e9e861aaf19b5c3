"""The small space that is measured in full: every way to leave parts out of the family's yardstick.

The family is the first that has such ablations.
"""

from __future__ import annotations

from random import Random

from atrous.core.architecture import Architecture
from atrous.core.errors import AtrousError
from atrous.spaces import FAMILIES


def all_cells() -> dict[str, Architecture]:
    """The ablations by name, the smaller first."""
    found = next(family.ablations for family in FAMILIES.values() if family.ablations)
    return found()


WHOLE = list(all_cells())[-1]
"""The name of the yardstick itself."""


def some_cells(count: int) -> dict[str, Architecture]:
    """`count` of the cells, the whole one among them, the others drawn by chance but always the
    same.

    Fewer cells are a part of more. Raises `AtrousError` for a count that there is not.
    """
    cells = all_cells()
    if not 3 <= count <= len(cells):
        raise AtrousError(f"--cells is from 3 to {len(cells)}, got {count}.")
    others = [name for name in cells if name != WHOLE]
    Random(0).shuffle(others)
    chosen = {WHOLE, *others[: count - 1]}
    return {name: cell for name, cell in cells.items() if name in chosen}
