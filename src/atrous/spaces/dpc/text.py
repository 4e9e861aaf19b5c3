"""A dense prediction cell in plain text: a tree, for every branch reads one thing."""

from __future__ import annotations

from atrous.spaces.dpc.cell import FEATURES, Cell


def tree(cell: Cell) -> str:
    """Under the feature map and under each branch, what reads it."""
    lines = ["feature map", *_branches(cell, FEATURES, "")]
    return "\n".join([*lines, "all branches -> concatenation -> 1x1 projection"])


def _branches(cell: Cell, source: int, indent: str) -> list[str]:
    """What reads `source`, indented, each line followed by what reads it."""
    lines = []
    readers = [number for number, branch in enumerate(cell) if branch.input == source]
    for number in readers:
        last = number == readers[-1]
        lines.append(
            f"{indent}{'└── ' if last else '├── '}branch {number}: {cell[number].operation}"
        )
        lines += _branches(cell, number, indent + ("    " if last else "│   "))
    return lines
