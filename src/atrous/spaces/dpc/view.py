"""A dense prediction cell in words."""

from __future__ import annotations

from atrous.core.words import TIMES
from atrous.spaces.dpc.cell import (
    FEATURES,
    Branch,
    Cell,
    Convolution1x1,
    GridPooling,
    Operation,
    SeparableConvolution,
)


def operation_lines(operation: Operation) -> tuple[str, ...]:
    """An operation in one or two short lines."""
    match operation:
        case Convolution1x1():
            return (f"1{TIMES}1",)
        case SeparableConvolution(rate=(vertical, horizontal)):
            return (f"3{TIMES}3", f"rate {vertical}{TIMES}{horizontal}")
        case GridPooling(grid=(rows, columns)):
            return ("pooling", f"grid {rows}{TIMES}{columns}")


def branch_words(branch: Branch) -> str:
    """A branch in a line: `3×3, rate 6×21, of branch 0`."""
    source = "the feature map" if branch.input == FEATURES else f"branch {branch.input}"
    return f"{', '.join(operation_lines(branch.operation))}, of {source}"


def cell_words(cell: Cell) -> str:
    """A cell in a line of plain ASCII."""
    return "; ".join(f"{number}: {branch}" for number, branch in enumerate(cell))
