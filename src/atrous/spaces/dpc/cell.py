"""A dense prediction cell as records: what each branch computes, and from what."""

from __future__ import annotations

from dataclasses import dataclass

FEATURES = -1
"""The `input` of a branch that reads the backbone's feature map."""


@dataclass(frozen=True)
class Convolution1x1:
    """A 1x1 convolution."""

    def __str__(self) -> str:
        return "1x1"


@dataclass(frozen=True)
class SeparableConvolution:
    """A 3x3 depthwise-separable convolution with an atrous rate per axis (vertical, horizontal)."""

    rate: tuple[int, int]

    def __str__(self) -> str:
        return f"3x3 rate {self.rate[0]}x{self.rate[1]}"


@dataclass(frozen=True)
class GridPooling:
    """Average pooling over a grid of (rows, columns) cells, then a 1x1 convolution."""

    grid: tuple[int, int]

    def __str__(self) -> str:
        return f"pool {self.grid[0]}x{self.grid[1]}"


Operation = Convolution1x1 | SeparableConvolution | GridPooling


@dataclass(frozen=True)
class Branch:
    """One branch of a cell: `input` is `FEATURES`, or the index of an earlier branch."""

    operation: Operation
    input: int

    def __str__(self) -> str:
        source = "features" if self.input == FEATURES else f"branch {self.input}"
        return f"{self.operation} of {source}"


Cell = tuple[Branch, ...]
