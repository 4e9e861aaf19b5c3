"""The shape of a cell: every branch has one input, so that a cell is a tree on the feature map."""

from __future__ import annotations

from collections.abc import Iterator

from atrous.spaces.dpc.cell import FEATURES, Cell


def depths(cell: Cell) -> list[int]:
    """For each branch, how many branches its output has passed, itself counted."""
    found: list[int] = []
    for branch in cell:
        found.append(1 + (found[branch.input] if branch.input != FEATURES else 0))
    return found


def columns(cell: Cell, root: int = FEATURES) -> Iterator[int]:
    """Branches from left to right: each amid those that read it, a lone reader to its right."""
    readers = [number for number, branch in enumerate(cell) if branch.input == root]
    half = len(readers) // 2 if root != FEATURES else 0
    for reader in readers[:half]:
        yield from columns(cell, reader)
    if root != FEATURES:
        yield root
    for reader in readers[half:]:
        yield from columns(cell, reader)
